/** Grids of codebook indices. */
import { TesseraeError } from './errors.js';

/** @typedef {import('./types').TokenGrid} TokenGrid */

class Grid {
  /** @param {import('./protocol.js').Tokens} parts */
  constructor({ width, height, levels, size, data, pixelWidth, pixelHeight }) {
    this.width = width;
    this.height = height;
    this.levels = levels;
    this.size = size;
    this.data = data;
    this.pixelWidth = pixelWidth;
    this.pixelHeight = pixelHeight;
  }

  toJSON() {
    return { ...this, data: Array.from(this.data) };
  }
}

/**
 * A grid from plain parts, checked. Without a pixel size, `factor` pixels per token are assumed when it is decoded.
 * @param {Parameters<typeof import('./types').tokenGrid>[0]} parts
 * @returns {TokenGrid}
 */
export function tokenGrid({ width, height, levels = 1, size, data, pixelWidth = 0, pixelHeight = 0 }) {
  const wrong = (/** @type {string} */ what) => new TesseraeError('ERR_INPUT', `These are no tokens: ${what}.`);
  for (const [name, value] of Object.entries({ width, height, levels, size })) {
    if (!Number.isInteger(value) || value < 1) throw wrong(`${name} is ${value}, and must be a whole number from 1 up`);
  }
  if (data?.length !== width * height * levels)
    throw wrong(
      `${levels} x ${height} x ${width} asks for ${width * height * levels} values, data has ${data?.length}`,
    );
  const tokens = Uint16Array.from(data);
  const stray = tokens.findIndex((t, i) => t >= size || t !== data[i]);
  if (stray >= 0) throw wrong(`value ${stray} is ${data[stray]}, and must be a whole number below ${size}`);
  return new Grid({ width, height, levels, size, data: tokens, pixelWidth, pixelHeight });
}

/** What the core answered, known to be sound. @param {import('./protocol.js').Tokens} tokens @returns {TokenGrid} */
export const fromCore = (tokens) => new Grid(tokens);
