/** The sampler of a core: makes up tokens with the prior of the model that is loaded, says what the prior thinks of a place, and
 * makes tokens that lie between those of two pictures. */
import { DONE } from './core.js';

/** @typedef {import('./core.js').Core} Core */
/** @typedef {import('./protocol.js').Tokens} Tokens */

/** Tokens that are mixed in one step: some milliseconds each level. */
const BAND = 4096;

/** @param {Core} core @param {Record<string, number>} options under the names of the core @param {string} [prompt] */
function setUp(core, options, prompt) {
  for (const [option, value] of Object.entries(options)) core.set('sampler', option, value);
  if (prompt) core.lend(new TextEncoder().encode(prompt), (at, size) => core.must('sampler', 'prompt', at, size));
}

/** @param {Uint16Array} tokens */
const bytesOf = (tokens) => new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);

/**
 * Makes up grids one after the other, with seeds that follow each other; yields every step's tokens.
 * @param {Core} core
 * @param {{count: number, seed: number, prompt?: string, options: Record<string, number>, grid: import('./protocol.js').Grid,
 *   given?: {tokens: Uint16Array, keep: Uint8Array}}} args options under the names of the core
 */
export function* sample(core, { count, seed, prompt, options, grid, given }) {
  const places = grid.width * grid.height;
  const open = given ? given.keep.reduce((n, kept) => n - kept, places) : places;
  const total = Math.max(1, Math.min(options.steps, open)); // every step settles one place at least
  core.begin('sampler');
  try {
    setUp(core, options, prompt);
    for (let index = 0; index < count; index++) {
      core.set('sampler', 'seed', seed + index);
      const at = core.place('sampler', 'begin', grid.height, grid.width, core.out);
      const [keep] = core.ints(1);
      if (given) {
        core.view(at, 2 * places).set(bytesOf(given.tokens));
        core.view(keep, places).set(given.keep);
      }
      for (let done = 1, status; status !== DONE; done++) {
        status = core.must('sampler', 'step');
        const part = core.ask('sampler', 'progress');
        const tokens = core.grid('sampler', { width: grid.pixelWidth, height: grid.pixelHeight });
        const known = core.copy(Uint8Array, core.ask('sampler', 'known'), places);
        yield { status: 'work', stage: 'sample', done: index + part, total: count, sample: { index, done, total, tokens, known } };
      }
    }
  } finally {
    core.drop('sampler');
  }
}

/**
 * The likeliest codes of one place, all others known, the likeliest first.
 * @param {Core} core
 * @param {{tokens: Tokens, level: number, y: number, x: number, count: number, prompt?: string, options: Record<string, number>}} args
 */
export function alternatives(core, { tokens, level, y, x, count, prompt, options }) {
  const { width, height, levels, data } = tokens;
  core.begin('sampler');
  try {
    setUp(core, options, prompt);
    const odds = core.lend(bytesOf(data), (at) =>
      core.copy(Float32Array, core.place('sampler', 'alternatives', at, levels, height, width, level, y, x), core.codes),
    );
    const codes = Array.from(odds.keys()).sort((i, j) => odds[j] - odds[i] || i - j);
    return codes.slice(0, count).map((token) => ({ token, probability: odds[token] }));
  } finally {
    core.drop('sampler');
  }
}

/**
 * Tokens between those of two pictures, made in bands of rows.
 * @param {Core} core
 * @param {{a: Tokens, b: Tokens, t: number}} args of one shape
 * @returns {Generator<any, Tokens>}
 */
export function* interpolate(core, { a, b, t }) {
  const { width, height, levels } = a;
  const [area, rows] = [width * height, Math.ceil(BAND / width)];
  const data = new Uint16Array(levels * area);
  core.begin('sampler');
  try {
    for (let y = 0; y < height; y += rows) {
      const [from, part] = [y * width, Math.min(rows, height - y)];
      const count = part * width;
      const band = (/** @type {Tokens} */ grid) => {
        const some = new Uint16Array(levels * count);
        for (let l = 0; l < levels; l++) some.set(grid.data.subarray(l * area + from, l * area + from + count), l * count);
        return bytesOf(some);
      };
      const mixed = core.lend(band(a), (p) =>
        core.lend(band(b), (q) =>
          core.copy(Uint16Array, core.place('sampler', 'interpolate', p, q, levels, part, width, t), levels * count),
        ),
      );
      for (let l = 0; l < levels; l++) data.set(mixed.subarray(l * count, (l + 1) * count), l * area + from);
      yield { status: 'work', stage: 'sample', done: (y + part) / height, total: 1 };
    }
    return { ...a, data };
  } finally {
    core.drop('sampler');
  }
}
