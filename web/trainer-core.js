/** The trainer of a core: one per instance. */
import { DONE } from './core.js';
import { TesseraeError } from './errors.js';

/** @typedef {import('./core.js').Core} Core */
/** @typedef {import('./protocol.js').Pixels} Pixels */

/**
 * A figure of the last step; 0 for what this net or this stage of training does not have.
 * @param {Core} core
 * @param {string} name
 */
const stat = (core, name) => core.ask('trainer', 'stat', core.name(name)) || 0;

/**
 * Figures of the last step; what was not measured is left out.
 * @param {Core} core
 * @param {Record<string, string>} names under which name each one goes
 */
function measured(core, names) {
  const list = Object.entries(names).map(([name, of]) => [name, core.ask('trainer', 'stat', core.name(of))]);
  return Object.fromEntries(list.filter(([, value]) => !Number.isNaN(value)));
}

const ADVERSARY = { entropy: 'entropy', generator: 'generator', discriminator: 'discriminator', features: 'features' };
const GAN = { real: 'real', fake: 'fake', accuracy: 'd_accuracy', weight: 'd_weight' };

/**
 * @param {Core} core
 * @param {{config?: object, checkpoint?: Uint8Array, features?: import('./protocol.js').FeatureNet}} args
 */
export function createTrainer(core, { config, checkpoint, features }) {
  core.renew('trainer');
  if (checkpoint) {
    core.lend(checkpoint, (at, size) => core.must('trainer', 'resume', at, size));
  } else {
    core.lend(new TextEncoder().encode(JSON.stringify(config)), (at, size) => core.must('trainer', 'config', at, size));
  }
  if (features) core.giveFeatures('trainer', features);
  return { step: stat(core, 'step'), steps: stat(core, 'steps') };
}

/** Starts from a model file's weights. @param {Core} core @param {Uint8Array} bytes */
export function initTrainer(core, bytes) {
  core.lend(bytes, (at, size) => core.must('trainer', 'init', at, size));
}

/** @param {Core} core @param {Pixels} pixels @param {boolean} validation */
export function addImage(core, pixels, validation) {
  const channels = pixels.channels === 1 ? 1 : 3;
  const at = core.place('trainer', 'add_image', validation ? 1 : 0, pixels.width, pixels.height, channels);
  core.write(at, pixels.channels === 4 ? onWhite(pixels) : pixels, channels);
}

/** RGBA over white: a net that is being trained sees no alpha. @param {Pixels} pixels @returns {Pixels} */
function onWhite({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let s = 0, d = 0; s < data.length; s += 4) {
    const a = data[s + 3];
    for (let c = 0; c < 3; c++) rgb[d++] = Math.round((data[s + c] * a + 255 * (255 - a)) / 255);
  }
  return { data: rgb, width, height, channels: 3 };
}

/**
 * Steps until it is through, or the schedule is, or told to stop; yields the figures of every `every`th step.
 * @param {Core} core
 * @param {{steps: number, every: number, lr?: Float64Array}} args lr: one rate per step
 * @param {() => boolean} stopping
 */
export function* train(core, { steps, every, lr }, stopping) {
  let done = false;
  let told = 0;
  let since = performance.now();
  for (let ran = 0; ran < steps && !done && !stopping();) {
    if (lr) core.set('trainer', 'lr', lr[ran]);
    done = core.must('trainer', 'step') === DONE;
    ran++;
    if (stat(core, 'step') % every === 0 || done || ran === steps) {
      const now = performance.now();
      yield figures(core, (now - since) / (ran - told));
      [since, told] = [now, ran];
    } else {
      yield;
    }
  }
  return { step: stat(core, 'step') };
}

/** @param {Core} core @param {number} msPerStep */
function figures(core, msPerStep) {
  const of = (/** @type {string[]} */ ...names) => Object.fromEntries(names.map((name) => [name, stat(core, name)]));
  const {
    total,
    reconstruction,
    commitment,
    lpips,
    l1,
    l2,
    ms_ssim: msSsim,
    steps,
  } = of('total', 'reconstruction', 'commitment', 'lpips', 'l1', 'l2', 'ms_ssim', 'steps');
  const step = stat(core, 'step');
  const phase = stat(core, 'phase');
  const warning = core.text(core.ask('trainer', 'warning'));
  return {
    step,
    phase,
    loss: {
      total,
      reconstruction,
      commitment,
      l1,
      l2,
      msSsim,
      ...(lpips > 0 ? { perceptual: lpips } : {}),
      ...measured(core, ADVERSARY),
    },
    ...(phase === 2 ? { gan: { ...measured(core, GAN), gradNorm: stat(core, 'd_grad_norm') } } : {}),
    ...of('psnr', 'bpp', 'perplexity', 'used', 'dead', 'lr', 'skipped', 'retried'),
    ...(warning ? { warning } : {}),
    msPerStep,
    etaMs: Math.max(0, steps - step) * msPerStep,
  };
}

/** Validation pictures before and after. @param {Core} core @param {number} count */
export function preview(core, count) {
  return Array.from({ length: count }, (_, i) => {
    const out = Array.from({ length: 8 }, (_, k) => core.out + 4 * k);
    core.must('trainer', 'preview', i, ...out);
    const [input, output, pixelWidth, pixelHeight, tokens, levels, height, width] = core.ints(8);
    core.ask('trainer', 'usage', 0, core.out);
    const [size] = core.ints(1);
    const picture = (/** @type {number} */ at) =>
      core.rgba({ at, width: pixelWidth, channels: 3 }, { x: 0, y: 0, width: pixelWidth, height: pixelHeight });
    const data = core.copy(Uint16Array, tokens, levels * height * width);
    return {
      input: picture(input),
      output: picture(output),
      tokens: { width, height, levels, size, data, pixelWidth, pixelHeight },
    };
  });
}

/** @param {Core} core @param {number} level */
export function usage(core, level) {
  const at = core.ask('trainer', 'usage', level, core.out);
  if (!at) throw new TesseraeError('ERR_OPTION', `The quantizer has no level ${level}.`);
  return core.copy(Uint32Array, at, core.ints(1)[0]);
}

/** @param {Core} core */
export function checkpoint(core) {
  core.must('trainer', 'checkpoint', core.out, core.out + 4);
  return fileAt(core);
}

/** The model file as it stands. @param {Core} core @param {boolean} half weights as f16 */
export function trainedModel(core, half) {
  core.must('trainer', 'model', half ? 1 : 0, core.out, core.out + 4);
  return fileAt(core);
}

/** @param {Core} core */
function fileAt(core) {
  const [at, size] = core.ints(2);
  return core.copy(Uint8Array, at, size >>> 0);
}
