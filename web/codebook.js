/** The code vectors of one quantizer level, and what can be said of them without the core. */
import { TesseraeError } from './errors.js';
import { toImageData } from './pixels.js';

const POWER_STEPS = 200;
const SAMPLE = 1 << 25; // multiply-adds that a covariance may take: some tens of milliseconds

/** @typedef {import('./types').Codebook} Shape */

/** @implements {Shape} */
export class Codebook {
  /**
   * @param {Float32Array[]} vectors one array per level, [size][dim]
   * @param {{size: number, dim: number}} shape
   * @param {(tokens: import('./protocol.js').Tokens, options?: any) => Promise<any>} detokenize
   * @param {number} [index] the level
   */
  constructor(vectors, { size, dim }, detokenize, index = 0) {
    this.size = size;
    this.dim = dim;
    this.index = index;
    this.levels = vectors.length;
    this.all = vectors;
    this.detokenize = detokenize;
  }

  /** Throws where the model has no codebook (quantizer type none). */
  there() {
    if (!this.levels) throw new TesseraeError('ERR_MODEL', 'This model has continuous latents and no codebook.');
  }

  /** @param {number} index */
  level(index) {
    this.there();
    if (!Number.isInteger(index) || index < 0 || index >= this.levels)
      throw new TesseraeError('ERR_OPTION', `There is no level ${index}; the levels are 0 to ${this.levels - 1}.`);
    return new Codebook(this.all, this, this.detokenize, index);
  }

  /** @param {number} i @returns {Float32Array} a copy */
  vector(i) {
    this.there();
    if (!Number.isInteger(i) || i < 0 || i >= this.size)
      throw new TesseraeError('ERR_OPTION', `There is no code ${i}; the codes are 0 to ${this.size - 1}.`);
    return this.all[this.index].slice(i * this.dim, (i + 1) * this.dim);
  }

  /**
   * A grid of one token, decoded; on the levels below it stands code 0.
   * @param {number} i
   * @param {import('./types').TaskOptions} [options]
   */
  async patch(i, options) {
    this.vector(i);
    const levels = this.index + 1;
    const data = new Uint16Array(levels);
    data[this.index] = i;
    return toImageData(
      await this.detokenize(
        { width: 1, height: 1, levels, size: this.size, data, pixelWidth: 0, pixelHeight: 0 },
        options,
      ),
    );
  }

  /** The codes closest to code i by Euclidean distance, itself left out. @param {number} i @param {number} [n] */
  nearest(i, n = 8) {
    const [from, all] = [this.vector(i), this.all[this.index]];
    const found = Array.from({ length: this.size }, (_, index) => {
      let sum = 0;
      for (let d = 0; d < this.dim; d++) sum += (all[index * this.dim + d] - from[d]) ** 2;
      return { index, distance: Math.sqrt(sum) };
    });
    found.splice(i, 1);
    return found.sort((a, b) => a.distance - b.distance || a.index - b.index).slice(0, n);
  }

  /**
   * How this level's codes are used in grids; bits is the entropy per token.
   * @param {import('./types').TokenGrid | import('./types').TokenGrid[]} tokens
   */
  usage(tokens) {
    this.there();
    const counts = new Uint32Array(this.size);
    for (const grid of [tokens].flat()) {
      const area = grid.width * grid.height;
      for (const token of grid.data.subarray(this.index * area, (this.index + 1) * area)) counts[token]++;
    }
    const total = counts.reduce((sum, n) => sum + n, 0);
    const bits = counts.reduce((sum, n) => (n ? sum - (n / total) * Math.log2(n / total) : sum), 0);
    return { counts, used: counts.reduce((sum, n) => sum + Number(n > 0), 0), perplexity: 2 ** bits, bits };
  }

  /**
   * The codes on their two principal axes, by power iteration on the covariance.
   * @returns {Float32Array} [size][2]
   */
  project() {
    this.there();
    const { size, dim } = this;
    const centred = new Float64Array(this.all[this.index]);
    const mean = new Float64Array(dim);
    for (let i = 0; i < size * dim; i += dim) for (let d = 0; d < dim; d++) mean[d] += centred[i + d] / size;
    for (let i = 0; i < size * dim; i += dim) for (let d = 0; d < dim; d++) centred[i + d] -= mean[d];
    const points = new Float32Array(size * 2);
    for (let axis = 0; axis < Math.min(2, dim); axis++) {
      const direction = principalAxis(centred, size, dim);
      for (let i = 0; i < size; i++) {
        let along = 0;
        for (let d = 0; d < dim; d++) along += centred[i * dim + d] * direction[d];
        points[2 * i + axis] = along;
        for (let d = 0; d < dim; d++) centred[i * dim + d] -= along * direction[d]; // what the next axis sees
      }
    }
    return points;
  }
}

/**
 * The unit vector along which the rows vary most.
 * @param {Float64Array} rows
 * @param {number} size
 * @param {number} dim
 */
function principalAxis(rows, size, dim) {
  const covariance = new Float64Array(dim * dim); // made once: iterating over the rows would hold up a page
  const stride = Math.ceil((size * dim * dim) / SAMPLE); // and of some rows, where they are many and long
  for (let i = 0; i < size * dim; i += dim * stride) {
    for (let a = 0; a < dim; a++) {
      for (let b = 0; b < dim; b++) covariance[a * dim + b] += rows[i + a] * rows[i + b];
    }
  }
  let axis = Float64Array.from({ length: dim }, (_, d) => 1 + d / dim);
  for (let step = 0; step < POWER_STEPS; step++) {
    const next = new Float64Array(dim);
    for (let a = 0; a < dim; a++) {
      let sum = 0;
      for (let b = 0; b < dim; b++) sum += covariance[a * dim + b] * axis[b];
      next[a] = sum;
    }
    const length = Math.hypot(...next);
    if (!length) break;
    axis = next.map((v) => v / length);
  }
  return axis;
}
