/** The upscaler of a core: a small picture, two or four times as large. */
import { isOpaque, MORE } from './core.js';

/**
 * @param {import('./core.js').Core} core with a model that has an upscaler, from its own file or added
 * @param {{pixels: import('./protocol.js').Pixels, options: Record<string, number>}} args options under the names of the core
 */
export function* upscale(core, { pixels, options }) {
  core.begin('upscaler');
  try {
    for (const [option, value] of Object.entries(options)) core.set('upscaler', option, value);
    const channels = pixels.channels === 4 && isOpaque(pixels.data) ? 3 : pixels.channels;
    core.write(core.place('upscaler', 'begin', pixels.width, pixels.height, channels), pixels, channels);
    for (let status = MORE; status === MORE; ) {
      status = core.must('upscaler', 'step');
      yield { status: 'work', stage: 'upscale', done: core.ask('upscaler', 'progress'), total: 1 };
    }
    const at = core.ask('upscaler', 'pixels', core.out, core.out + 4, core.out + 8) >>> 0;
    const [width, height, made] = core.ints(3);
    return core.rgba({ at, width, channels: made }, { x: 0, y: 0, width, height });
  } finally {
    core.drop('upscaler');
  }
}
