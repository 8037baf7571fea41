/** What `codec.inpaint` is asked for, checked, in the form that the worker takes. */
import { TesseraeError } from './errors.js';
import { checkOptions, defined } from './options.js';

const OPTIONS = ['signal', 'onProgress', 'transfer', 'method', 'samples', 'seed', 'steps', 'temperature', 'topK', 'topP', 'levels', 'feather', 'part'];
const MOST = 1000;
const METHODS = ['auto', 'copy', 'prior']; // as the core counts them, from -1

/** A loop: Uint8Array.from with a function goes through an iterator, 700 ms for 12 megapixels. @param {number} count @param {(i: number) => boolean} test */
function bytesOf(count, test) {
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) if (test(i)) bytes[i] = 1;
  return bytes;
}

/**
 * The mask as one byte a pixel, 0 keeps. Without one what is transparent is filled, and the picture is opaque then.
 * @param {import('./protocol.js').Pixels} pixels
 * @param {import('./types').Mask | null | undefined} mask
 */
function maskOf({ data, width, height, channels }, mask) {
  const count = width * height;
  if (!mask) {
    if (channels !== 4)
      throw new TesseraeError('ERR_INPUT', 'The picture is opaque and there is no mask; give a mask, or make transparent what is to be filled.');
    return bytesOf(count, (i) => data[4 * i + 3] < 128);
  }
  if ('data' in mask) {
    if (mask.width !== width || mask.height !== height || mask.data.length !== 4 * count)
      throw new TesseraeError('ERR_INPUT', `The mask has ${mask.width}x${mask.height} pixels, the picture ${width}x${height}: they must be of one size.`);
    const at = mask.data;
    return bytesOf(count, (i) => at[4 * i + 3] >= 128 && at[4 * i] + at[4 * i + 1] + at[4 * i + 2] >= 384);
  }
  if (mask.length !== count)
    throw new TesseraeError('ERR_INPUT', `The mask has ${mask.length} values; it needs one for each of the ${width}x${height} pixels, row by row.`);
  return bytesOf(count, (i) => Boolean(mask[i]));
}

/** RGBA pixels without their alpha. @param {import('./protocol.js').Pixels} pixels @returns {import('./protocol.js').Pixels} */
function opaque({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, to = 0; to < rgb.length; i += 4, to += 3) {
    rgb[to] = data[i];
    rgb[to + 1] = data[i + 1];
    rgb[to + 2] = data[i + 2];
  }
  return { data: rgb, width, height, channels: 3 };
}

/** Refuses what is wrong before a picture is read or a part fetched. @param {import('./types').InpaintOptions} options */
export function checkInpainting(options) {
  checkOptions('inpaint', options, OPTIONS);
  const { samples = 1, method = 'auto' } = options;
  if (!METHODS.includes(method))
    throw new TesseraeError('ERR_OPTION', `method is "${method}"; it must be "auto", "copy" or "prior".`);
  if (!Number.isInteger(samples) || samples < 1 || samples > MOST)
    throw new TesseraeError('ERR_OPTION', `samples is ${samples}; it must be a whole number from 1 to ${MOST}.`);
}

/**
 * @template {import('./protocol.js').Pixels} Read
 * @param {Read} pixels @param {import('./types').Mask | null | undefined} mask @param {import('./types').InpaintOptions} options
 */
export function inpaintingOf(pixels, mask, options) {
  const { method = 'auto', samples = 1, seed = 1, steps, temperature, topK: top_k, topP: top_p, levels, feather } = options;
  const bytes = maskOf(pixels, mask);
  return {
    pixels: mask ? pixels : { ...opaque(pixels), own: true },
    mask: bytes,
    samples,
    seed,
    options: defined({ method: METHODS.indexOf(method) - 1, steps, temperature, top_k, top_p, levels, feather }),
    /** Does it take a prior? Where all is masked there is nothing to copy. */
    prior: method === 'prior' || (method === 'auto' && !bytes.includes(0)),
  };
}
