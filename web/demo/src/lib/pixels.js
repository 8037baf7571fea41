/* Pictures in memory made smaller, larger and opaque. */
import { Bitmask } from './bitmask.js';
import { slices } from './pause.js';
import { blank, copyOf } from './pictures.js';

/** Where `count` even taps lie in [from, from + size), as whole numbers. */
const taps = (from, size, count) => Array.from({ length: count }, (_, i) => Math.floor(from + ((i + 0.5) * size) / count));

/**
 * A box of a picture at no more than `side` pixels a side, its alpha dropped: a pixel is the mean of 4 x 4 of those it stands
 * for, so that the time follows from `side` alone.
 * @param {{ x: number, y: number, width: number, height: number }} box
 * @returns {ImageData}
 */
export function thumbnail({ data, width: stride }, box, side) {
  const scale = Math.max(1, Math.max(box.width, box.height) / side);
  const width = Math.max(1, Math.round(box.width / scale)), height = Math.max(1, Math.round(box.height / scale));
  const columns = Array.from({ length: width }, (_, x) => taps(box.x + (x * box.width) / width, box.width / width, 4));
  const small = new ImageData(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    const rows = taps(box.y + (y * box.height) / height, box.height / height, 4);
    for (let x = 0; x < width; x++, at += 4) {
      let r = 0, g = 0, b = 0;
      for (const row of rows) {
        for (const column of columns[x]) {
          const from = 4 * (row * stride + column);
          r += data[from];
          g += data[from + 1];
          b += data[from + 2];
        }
      }
      small.data.set([r / 16, g / 16, b / 16, 255], at);
    }
  }
  return small;
}

/** A picture on a canvas that is larger by so many pixels a side; its edges go on into what is new. @returns {Promise<ImageData>} */
export async function extended(image, { left, top, right, bottom }) {
  const { width, height } = image;
  const wide = width + left + right;
  const all = await blank(wide, height + top + bottom);
  const turn = slices();
  const from = new Int32Array(image.data.buffer, image.data.byteOffset, width * height);
  const to = new Int32Array(all.data.buffer);
  for (let y = 0; y < all.height; y++) {
    const row = width * Math.min(height - 1, Math.max(0, y - top)), at = wide * y;
    to.fill(from[row], at, at + left);
    to.set(from.subarray(row, row + width), at + left);
    to.fill(from[row + width - 1], at + left + width, at + wide);
    await turn();
  }
  return all;
}

/**
 * What of a picture is rather transparent than not, as a mask, and an opaque copy of the picture; null if all of it is opaque.
 * @returns {Promise<{ pixels: ImageData, hole: Bitmask } | null>}
 */
export async function cutOut(image) {
  const { width, height } = image;
  const turn = slices();
  let opaque = true;
  for (let y = 0; y < height && opaque; y++) {
    for (let at = 4 * width * y + 3; at < 4 * width * (y + 1); at += 4) opaque &&= image.data[at] === 255;
    await turn();
  }
  if (opaque) return null;
  const pixels = await copyOf(image), hole = new Bitmask(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0, at = 4 * width * y + 3; x < width; x++, at += 4) {
      if (pixels.data[at] < 128) hole.span(y, x, x + 1, true);
      pixels.data[at] = 255;
    }
    await turn();
  }
  return { pixels, hole };
}
