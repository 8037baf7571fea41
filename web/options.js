/** The options of calls: their names, and the types of those whose wrong type would pass for something else. */
import { TesseraeError } from './errors.js';

/** @typedef {[kind: string, fits: (value: any) => boolean]} Kind */

/** @type {Kind} */
const number = ['a number', (v) => typeof v === 'number'];
/** @type {Kind} */
const above0 = ['a number above 0', (v) => typeof v === 'number' && v > 0];
/** @type {Kind} */
const text = ['a string', (v) => typeof v === 'string'];
/** @type {Kind} */
const flag = ['true or false', (v) => typeof v === 'boolean'];
/** @type {Kind} */
const call = ['a function', (v) => typeof v === 'function'];
/** @type {Kind} */
const abortSignal = ['an AbortSignal', (v) => typeof v?.aborted === 'boolean' && typeof v.addEventListener === 'function'];

/** By name: an option is the same thing in every call that has it. @type {Record<string, Kind | undefined>} */
const KINDS = {
  quality: number,
  bpp: number,
  targetSize: number,
  effort: number,
  timeout: number,
  silence: above0,
  size: number,
  batch: number,
  steps: number,
  seed: number,
  width: number,
  label: number,
  count: number,
  temperature: number,
  topK: number,
  topP: number,
  guidance: number,
  samples: number,
  feather: number,
  factor: number,
  sharpness: number,
  x: number,
  y: number,
  level: number,
  prompt: text,
  measure: flag,
  predict: flag,
  strict: flag,
  transfer: flag,
  onProgress: call,
  onTile: call,
  fetch: call,
  signal: abortSignal,
};

/** A value as a sentence names it. @param {any} value */
const shown = (value) =>
  typeof value === 'string' ? `"${value}"` : value && typeof value === 'object' ? 'an object' : String(value);

/** Refuses misspelt options, which would be ignored in silence, and values of the wrong type.
 * @param {string} name of the call @param {any} options @param {string[]} known */
export function checkOptions(name, options, known) {
  if (options !== undefined && (typeof options !== 'object' || options === null))
    throw new TesseraeError('ERR_OPTION', `${name} takes its options as an object, not ${shown(options)}.`);
  for (const [key, value] of Object.entries(options ?? {})) {
    if (!known.includes(key))
      throw new TesseraeError('ERR_OPTION', `${name} has no option "${key}"; it knows ${known.join(', ')}.`);
    const [kind, fits] = KINDS[key] ?? [];
    if (value !== undefined && fits && !fits(value))
      throw new TesseraeError('ERR_OPTION', `${name}: ${key} is ${shown(value)}; it must be ${kind}.`);
  }
}

/** An object without its undefined values. @param {Record<string, any>} object */
export function defined(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
