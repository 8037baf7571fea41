/** Whatever a page has at hand, as plain pixels. The platform decodes and turns pictures upright; sRGB comes out. */
import { TesseraeError, throwIfAborted } from './errors.js';
import { checkPixels, isPixelData } from './pixels.js';

/** Rows drawn at a time: some browsers hold no canvas over 16 megapixels. */
const STRIP_PIXELS = 4 << 20;

/** @type {ImageBitmapOptions} */
const BITMAP = { imageOrientation: 'from-image', colorSpaceConversion: 'default', premultiplyAlpha: 'none' };

/** @param {string} name @param {any} value */
const isA = (name, value) =>
  typeof Reflect.get(globalThis, name) === 'function' && value instanceof Reflect.get(globalThis, name);

/**
 * @param {import('./types').ImageInput} input @param {{signal?: AbortSignal, fetch?: typeof fetch}} [options]
 * @returns {Promise<import('./protocol.js').Pixels & {own: boolean}>} own: the buffer may be moved
 */
export async function readImage(input, options = {}) {
  const source = /** @type {any} */ (input);
  throwIfAborted(options.signal);
  if (isPixelData(source)) return { ...checkPixels(source), own: false };
  if (typeof source === 'string' || isA('URL', source))
    return readBlob(await download(String(source), options), String(source), options);
  if (isA('Blob', source)) return readBlob(source, source.name ?? 'The blob', options);
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source))
    return readBlob(new Blob([/** @type {any} */ (source)]), 'The data', options);
  if (isA('HTMLImageElement', source)) {
    await source.decode().catch(() => {
      throw new TesseraeError('ERR_INPUT', `The image ${source.currentSrc || ''} did not load.`);
    });
    return draw(source, source.naturalWidth, source.naturalHeight);
  }
  if (isA('VideoFrame', source)) return draw(source, source.displayWidth, source.displayHeight);
  if (['ImageBitmap', 'HTMLCanvasElement', 'OffscreenCanvas'].some((name) => isA(name, source)))
    return draw(source, source.width, source.height);
  throw new TesseraeError(
    'ERR_INPUT',
    'This is no picture. Pass ImageData, { data, width, height }, a File or Blob, an image, a canvas, bytes or a URL.',
  );
}

/** @param {string} url @param {{signal?: AbortSignal, fetch?: typeof fetch}} options */
async function download(url, { signal, fetch: get = fetch }) {
  const response = await get(url, { signal }).catch((error) => {
    throwIfAborted(signal);
    throw new TesseraeError('ERR_LOAD', `${url} could not be fetched (${error.message}). Check the address and CORS.`, {
      url,
      cause: error,
    });
  });
  if (!response.ok) throw new TesseraeError('ERR_LOAD', `${url} answered ${response.status}.`, { url });
  return response.blob();
}

/** @param {Blob} blob @param {string} name @param {{signal?: AbortSignal}} options */
async function readBlob(blob, name, { signal }) {
  if (!blob.size) throw new TesseraeError('ERR_INPUT', `${name} is empty.`);
  const bitmap = await createImageBitmap(blob, BITMAP).catch((error) => {
    throw new TesseraeError(
      'ERR_INPUT',
      `${name} is damaged or of a kind that this browser cannot read; save it as PNG, JPEG or WebP.`,
      { cause: error },
    );
  });
  try {
    throwIfAborted(signal);
    return draw(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/**
 * Reads a drawable through a canvas, strip by strip.
 * @param {any} source
 * @param {number} width
 * @param {number} height
 */
function draw(source, width, height) {
  const data = new Uint8ClampedArray(checkSize(width, height));
  const rows = Math.max(1, Math.min(height, Math.floor(STRIP_PIXELS / width)));
  const canvas =
    typeof OffscreenCanvas === 'function'
      ? new OffscreenCanvas(width, rows)
      : Object.assign(document.createElement('canvas'), { width, height: rows });
  const context = /** @type {CanvasRenderingContext2D | null} */ (
    canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' })
  );
  if (!context)
    throw new TesseraeError('ERR_MEMORY', `No canvas of ${width}x${rows} pixels is to be had; close other pages.`);
  try {
    for (let y = 0; y < height; y += rows) {
      context.clearRect(0, 0, width, rows);
      context.drawImage(source, 0, -y, width, height);
      data.set(context.getImageData(0, 0, width, Math.min(rows, height - y)).data, y * width * 4);
    }
  } catch (error) {
    if (error.name !== 'SecurityError') throw error;
    throw new TesseraeError(
      'ERR_INPUT',
      'The picture is from another origin, without CORS: its pixels cannot be read. Set crossorigin="anonymous" on it.',
      { cause: error },
    );
  }
  return { data, width, height, channels: /** @type {4} */ (4), own: true };
}

/** @param {number} width @param {number} height @returns {number} bytes of RGBA */
function checkSize(width, height) {
  if (!width || !height)
    throw new TesseraeError(
      'ERR_INPUT',
      'The picture has no size yet: wait until it has loaded (an SVG needs width and height).',
    );
  return width * height * 4;
}
