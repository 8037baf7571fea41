/** The sampler of a core: makes up tokens with the prior of the model that is loaded. */
import { DONE } from './core.js';

/** @typedef {import('./core.js').Core} Core */

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
    for (const [option, value] of Object.entries(options)) core.set('sampler', option, value);
    if (prompt) core.lend(new TextEncoder().encode(prompt), (at, size) => core.must('sampler', 'prompt', at, size));
    for (let index = 0; index < count; index++) {
      core.set('sampler', 'seed', seed + index);
      const at = core.place('sampler', 'begin', grid.height, grid.width, core.out);
      const [keep] = core.ints(1);
      if (given) {
        core.view(at, 2 * places).set(new Uint8Array(given.tokens.buffer, given.tokens.byteOffset, 2 * places));
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
