/** The inpainter of a core: parts of a picture made up, as often as asked for. */
import { DONE } from './core.js';

/**
 * @param {import('./core.js').Core} core with a model that has a prior, from its own file or added
 * @param {{pixels: import('./protocol.js').Pixels, mask: Uint8Array, samples: number, seed: number, options: Record<string, number>}} args
 *   mask: one byte a pixel, 0 keeps; options under the names of the core
 */
export function* inpaint(core, { pixels, mask, samples, seed, options }) {
  const { width, height, channels } = pixels;
  const made = [];
  core.begin('inpainter');
  try {
    for (const [option, value] of Object.entries(options)) core.set('inpainter', option, value);
    core.set('inpainter', 'seed', seed);
    const at = core.place('inpainter', 'begin', width, height, channels, core.out);
    const [to] = core.ints(1);
    core.write(at, pixels, channels);
    core.view(to, mask.length).set(mask);
    for (let sample = 0; sample < samples; sample++) {
      if (sample) {
        core.set('inpainter', 'seed', seed + sample);
        core.must('inpainter', 'again');
      }
      for (let status; status !== DONE; ) {
        status = core.must('inpainter', 'step');
        yield { status: 'work', stage: 'inpaint', done: sample + core.ask('inpainter', 'progress'), total: samples };
      }
      const picture = core.ask('inpainter', 'pixels', core.out, core.out + 4) >>> 0;
      made.push(core.rgba({ at: picture, width, channels }, { x: 0, y: 0, width, height }));
    }
    return made;
  } finally {
    core.drop('inpainter');
  }
}
