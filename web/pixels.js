/** Plain pixels: the checks that every picture passes, and the ImageData that every picture comes back as. */
import { TesseraeError } from './errors.js';

const MAX_SIDE = 65535;
const MAX_PIXELS = 2 ** 28;

/** @typedef {import('./protocol.js').Pixels} Pixels */

/** @param {any} value @returns {value is import('./types').PixelData} */
export const isPixelData = (value) =>
  Boolean(value) && ArrayBuffer.isView(value.data) && 'width' in value && 'height' in value;

/** Checks plain pixels against each other. @param {import('./types').PixelData} image @returns {Pixels} */
export function checkPixels({ data, width, height, channels }) {
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new TesseraeError(
      'ERR_INPUT',
      'Pixels must be 8-bit (Uint8Array or Uint8ClampedArray); convert deeper pixels first.',
    );
  }
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new TesseraeError(
      'ERR_INPUT',
      `A picture of ${width}x${height} pixels cannot be used: both sides must be whole numbers from 1 up.`,
    );
  }
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
    throw new TesseraeError(
      'ERR_TOO_LARGE',
      `A picture of ${width}x${height} pixels is too large: at most ${MAX_SIDE} a side and ${MAX_PIXELS} in all.`,
    );
  }
  const count = channels ?? data.length / (width * height);
  if (![1, 3, 4].includes(count) || data.length !== width * height * count) {
    throw new TesseraeError(
      'ERR_INPUT',
      `${data.length} bytes are not ${width}x${height} pixels of 1, 3 or 4 channels; check width, height and channels.`,
    );
  }
  return { data, width, height, channels: /** @type {1 | 3 | 4} */ (count) };
}

/**
 * RGBA pixels as ImageData, or as its like where there is none (Node).
 * @param {{data: Uint8ClampedArray, width: number, height: number}} pixels
 * @returns {ImageData}
 */
export function toImageData({ data, width, height }) {
  if (typeof ImageData === 'function') return new ImageData(/** @type {any} */ (data), width, height);
  return /** @type {any} */ ({ data, width, height, colorSpace: 'srgb' });
}

/**
 * Encoded bytes in any form as one Uint8Array.
 * @param {import('./types').BytesInput} input
 * @param {string} [wanted] what an error says was expected
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function toBytes(input, wanted = 'bytes') {
  const source = /** @type {any} */ (input);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source))
    return new Uint8Array(/** @type {ArrayBuffer} */ (source.buffer), source.byteOffset, source.byteLength);
  if (typeof Response === 'function' && source instanceof Response && !source.ok) {
    throw new TesseraeError('ERR_LOAD', `${source.url} answered ${source.status}.`, { url: source.url });
  }
  // a Blob, File or Response
  if (typeof source?.arrayBuffer === 'function') return new Uint8Array(await source.arrayBuffer());
  if (typeof source?.getReader === 'function') return new Uint8Array(await new Response(source).arrayBuffer());
  throw new TesseraeError(
    'ERR_INPUT',
    `Expected ${wanted} (an ArrayBuffer, a typed array, a Blob, a Response or a ReadableStream), got ${input === null ? 'null' : typeof input}.`,
  );
}

/** LPIPS' net and heads as bytes. @param {import('./types').FeatureNet} features */
export async function featureBytes({ net, heads }) {
  const [trunk, rest] = await Promise.all([net, heads].map((file) => toBytes(file)));
  return { net: trunk, heads: rest };
}

/** How much of a file is copied at a time. */
const COPY_BYTES = 1 << 21;

/** A model's bytes, to be given away. In parts: copied at once, as a clone is, megabytes hold up the page. @param {Uint8Array} bytes */
export async function copyOf(bytes) {
  const copy = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += COPY_BYTES) {
    if (at) await new Promise((resolve) => setTimeout(resolve));
    copy.set(bytes.subarray(at, at + COPY_BYTES), at);
  }
  return copy;
}
