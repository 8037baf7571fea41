/** Pictures in Node: PNG and PPM by the package itself, everything else by `sharp` where it is installed. */
import { TesseraeError, throwIfAborted } from './errors.js';
import { readBytes } from './node-files.js';
import { checkPixels, isPixelData, toBytes } from './pixels.js';
import { isPNG, isPNM, readPNG, readPNM } from './png.js';

/**
 * @param {import('./types').ImageInput} input @param {{signal?: AbortSignal, fetch?: typeof fetch}} [options]
 * @returns {Promise<import('./protocol.js').Pixels & {own: boolean}>} own: the buffer may be moved
 */
export async function readImage(input, { signal, fetch: get } = {}) {
  const source = /** @type {any} */ (input);
  throwIfAborted(signal);
  if (isPixelData(source)) return { ...checkPixels(source), own: false };
  const named = typeof source === 'string' || source instanceof URL;
  if (!named && !(source instanceof Blob || source instanceof ArrayBuffer || ArrayBuffer.isView(source))) {
    throw new TesseraeError(
      'ERR_INPUT',
      'This is no picture. Pass { data, width, height }, a path, a URL, a Blob or the bytes of a picture.',
    );
  }
  const bytes = named ? await readBytes(source, undefined, get) : await toBytes(source);
  const name = named ? String(source) : 'The data';
  throwIfAborted(signal);
  if (!bytes.length) throw new TesseraeError('ERR_INPUT', `${name} is empty.`);
  const pixels = isPNG(bytes) ? readPNG(bytes) : isPNM(bytes) ? readPNM(bytes) : await readBySharp(bytes, name);
  throwIfAborted(signal);
  return { ...checkPixels(pixels), own: true };
}

/** @param {Uint8Array} bytes @param {string} name */
async function readBySharp(bytes, name) {
  /** @type {any} */
  let sharp;
  try {
    const optional = 'sharp'; // a name that bundlers and type checkers do not follow
    sharp = (await import(optional)).default;
  } catch {
    throw new TesseraeError(
      'ERR_INPUT',
      `${name} is neither PNG nor PPM. To read JPEG, WebP and AVIF: npm install sharp. Or pass { data, width, height }.`,
    );
  }
  try {
    const { data, info } = await sharp(bytes)
      .rotate()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = new Uint8Array(data);
    if (info.channels !== 2) return { data: pixels, width: info.width, height: info.height, channels: info.channels };
    const rgba = new Uint8Array(info.width * info.height * 4);
    for (let i = 0; i < rgba.length; i += 4) rgba.fill(pixels[i >> 1], i, i + 3)[i + 3] = pixels[(i >> 1) + 1];
    return { data: rgba, width: info.width, height: info.height, channels: /** @type {4} */ (4) };
  } catch (error) {
    throw new TesseraeError('ERR_INPUT', `${name} could not be read: ${error.message}`, { cause: error });
  }
}
