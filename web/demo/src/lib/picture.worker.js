/* Canvas work that would hold up the page: reading, resizing and mixing pictures, painting large ones, writing PNG, and coding it as
 * JPEG or WebP at a given size. One request { id, op, ...args } in, one { id, value } or { id, error } out; pictures as `image`, packed. */
import { pack, unpack } from './packed.js';
import { resize } from './resize.js';

/** Blob -> ImageData, upright as its EXIF says; the longer side shrunk to `limit` pixels if given. */
async function read({ blob, limit = Infinity }) {
  const whole = await createImageBitmap(blob);
  const scale = Math.min(1, limit / Math.max(whole.width, whole.height));
  const width = Math.max(1, Math.round(whole.width * scale)), height = Math.max(1, Math.round(whole.height * scale));
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(whole, 0, 0, width, height);
  whole.close();
  return context.getImageData(0, 0, width, height);
}

/** Blob -> PNG Blob of at most `limit` pixels a side, over white; null if its shorter side then is under `least`. */
async function shrink({ blob, limit, least }) {
  const image = await read({ blob, limit });
  if (Math.min(image.width, image.height) < least) return null;
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d', { alpha: false });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, image.width, image.height);
  context.drawImage(await createImageBitmap(image), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Pictures as one strip of squares of `side` pixels, each the middle of its picture: a PNG Blob. */
async function strip({ images, side }) {
  const canvas = new OffscreenCanvas(images.length * side, side);
  const context = canvas.getContext('2d', { alpha: false });
  for (const [i, image] of images.entries()) {
    const edge = Math.min(image.width, image.height);
    const square = await createImageBitmap(image, (image.width - edge) >> 1, (image.height - edge) >> 1, edge, edge);
    context.drawImage(square, i * side, 0, side, side);
    square.close();
  }
  return canvas.convertToBlob({ type: 'image/png' });
}

/** ImageData -> PNG Blob. */
function png({ image }) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Blob -> PNG Blob of the picture at 1/`times` of its size, bicubic. */
async function reduce({ blob, times }) {
  const image = await read({ blob });
  const sides = [image.width, image.height].map((side) => Math.max(1, Math.round(side / times)));
  return png({ image: resize(image, ...sides) });
}

/** Blob -> ImageBitmap of the picture at `times` its size, bicubic. */
async function enlarge({ blob, times }) {
  const image = await read({ blob });
  return createImageBitmap(resize(image, times * image.width, times * image.height));
}

/** ImageData -> { bitmap, raw }: the picture to be drawn, and its RGBA in a Blob, which is passed on at no cost. */
const hold = async ({ image }) => ({ bitmap: await createImageBitmap(image), raw: new Blob([image.data]) });

/** RGBA in two Blobs -> PNG Blob of a + share (b - a), `share` 0..1. */
async function mix({ a, b, share, width, height }) {
  const [image, other] = await Promise.all([a, b].map(async (raw) => new Uint8ClampedArray(await raw.arrayBuffer())));
  for (let i = 0; i < image.length; i++) image[i] += share * (other[i] - image[i]);
  return png({ image: new ImageData(image, width, height) });
}

/**
 * The best JPEG or WebP of at most `bytes` that the browser's own encoder writes, by bisection over its quality; its
 * smallest file if even that is larger. null if the browser does not write the format.
 */
async function baseline({ blob, type, bytes }) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  const write = (quality) => canvas.convertToBlob({ type, quality: quality / 100 });
  let best = await write(0);
  if (best.type !== type) return null;
  for (let low = 0, high = 100; high - low > 1 && best.size <= bytes; ) {
    const middle = (low + high) >> 1;
    const next = await write(middle);
    if (next.size <= bytes) [best, low] = [next, middle];
    else high = middle;
  }
  return best;
}

/** Bytes -> Blob: the copy of a large checkpoint takes a while. */
const blob = ({ bytes }) => new Blob([bytes]);

/** An empty ImageData, every page of it touched: a page's first use is what takes time. */
function blank({ width, height }) {
  const image = new ImageData(width, height);
  image.data.fill(0);
  return image;
}

/** Canvases of the page that are painted here, by number. */
const canvases = new Map();

/** Takes a canvas, or lets go of it. */
function canvas({ place, canvas: given }) {
  if (given) canvases.set(place, given);
  else canvases.delete(place);
}

/** Paints an ImageData at its own size. */
function paint({ place, image }) {
  const target = canvases.get(place);
  if (!target) return; // gone by now
  Object.assign(target, { width: image.width, height: image.height });
  target.getContext('2d').putImageData(image, 0, 0);
}

const ops = { read, shrink, strip, png, reduce, enlarge, hold, mix, baseline, blob, blank, canvas, paint };

/** What of an answer is moved rather than copied. */
const moved = (value) => [value?.bitmap, value].filter((part) => part instanceof ImageBitmap);

onmessage = async ({ data: { id, op, image, ...args } }) => {
  try {
    const value = await ops[op](image ? { image: unpack(image), ...args } : args);
    if (value instanceof ImageData) postMessage({ id, image: pack(value) }, [value.data.buffer]);
    else postMessage({ id, value }, moved(value));
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
