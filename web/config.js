/** Model configs (ARCHITECTURE.md, "Config") for the trainer: two small nets, and what the options lay over a config. */
import { defined } from './options.js';
import { TesseraeError } from './errors.js';

/** @typedef {import('./types').TrainerOptions} TrainerOptions */

const FACTORS = { small: 4, photo: 8 };

/**
 * Four pixels per token a side, for pictures up to 64 pixels: digits, faces, emoji.
 * @param {number} width channels
 * @param {number} dim
 */
const smallNets = (width, dim) => ({
  encoder: [
    { op: 'unshuffle', factor: 2 },
    { op: 'conv', out: width / 2, kernel: 3 },
    { op: 'silu' },
    { op: 'unshuffle', factor: 2 },
    { op: 'conv', out: width, kernel: 1 },
    { op: 'res' },
    { op: 'res' },
    { op: 'silu' },
    { op: 'conv', out: dim, kernel: 1 },
  ],
  decoder: [
    { op: 'conv', out: width, kernel: 3 },
    { op: 'res' },
    { op: 'res' },
    { op: 'silu' },
    { op: 'conv', out: width * 2, kernel: 1 },
    { op: 'shuffle', factor: 2 },
    { op: 'silu' },
    { op: 'conv', out: 12, kernel: 3 },
    { op: 'shuffle', factor: 2 },
  ],
});

/**
 * Eight pixels per token a side, after the bundled photo model.
 * @param {number} width channels
 * @param {number} dim
 */
const photoNets = (width, dim) => ({
  encoder: [
    { op: 'unshuffle', factor: 4 },
    { op: 'conv', out: width / 2, kernel: 3 },
    { op: 'res' },
    { op: 'unshuffle', factor: 2 },
    { op: 'conv', out: width, kernel: 1 },
    { op: 'res' },
    { op: 'res' },
    { op: 'silu' },
    { op: 'conv', out: dim, kernel: 1 },
  ],
  decoder: [
    { op: 'conv', out: width, kernel: 1 },
    { op: 'res' },
    { op: 'res' },
    { op: 'silu' },
    { op: 'conv', out: width * 2, kernel: 1 },
    { op: 'shuffle', factor: 2 },
    { op: 'res' },
    { op: 'silu' },
    { op: 'conv', out: 48, kernel: 3 },
    { op: 'shuffle', factor: 4 },
  ],
});

/** Pixels per token along a side. @param {any} config */
export function factorOf({ encoder }) {
  return (encoder ?? []).reduce(
    (/** @type {number} */ factor, /** @type {any} */ layer) =>
      factor * (layer.op === 'unshuffle' ? (layer.factor ?? 1) : (layer.stride ?? 1)),
    1,
  );
}

/**
 * The largest crop that fits in every picture, a multiple of the factor, at most 128.
 * @param {{width: number, height: number}[]} pictures
 * @param {number} factor
 */
function cropSize(pictures, factor) {
  const side = pictures.reduce((least, { width, height }) => Math.min(least, width, height), 128);
  return Math.max(Math.floor(side / factor) * factor, 2 * factor);
}

/**
 * The config a trainer starts from. Ranges and the fit of layers are checked by the core.
 * @param {Omit<TrainerOptions, 'data'>} options @param {{width: number, height: number}[]} [pictures] to train on
 * @returns {any}
 */
export function trainerConfig(options, pictures = []) {
  const { codebook = {}, loss, augment, seed, batch, steps, lr } = options;
  /** @type {any} */
  const base = options.config ? structuredClone(options.config) : preset(options, pictures);
  const quantizer = {
    ...base.quantizer,
    ...defined({
      size: codebook.size,
      dim: codebook.dim,
      levels: codebook.levels,
      decay: codebook.ema,
      commitment: codebook.commitment,
    }),
  };
  if (loss?.commitment !== undefined) quantizer.commitment = loss.commitment;
  const train = { ...base.train, ...defined({ size: options.size, batch, steps, seed, flip: augment?.flip }) };
  train.size ??= cropSize(pictures, factorOf(base));
  if (typeof lr === 'number') train.lr = lr;
  else if (lr) Object.assign(train, { lr: lr(0), warmup: 0, lr_final: 1 }); // the function is the whole schedule
  if (loss) train.loss = { ...train.loss, ...coreLoss(loss) };
  if (options.adversarial) train.adversarial = twoPhases(train, options.adversarial);
  else if (options.adversarial === false) delete train.adversarial;
  const weights = coreAdversary(loss);
  if (Object.keys(weights).length && !train.adversarial)
    throw new TesseraeError('ERR_OPTION', 'loss.adversarial and loss.features need an adversary: adversarial: true.');
  if (train.adversarial) Object.assign(train.adversarial, weights);
  if (codebook.restartAfter !== undefined)
    quantizer.restart = restartBelow(quantizer, train, factorOf(base), codebook.restartAfter);
  return {
    ...base,
    ...defined({ name: options.name, licence: options.licence, trained_on: options.trainedOn }),
    quantizer,
    train,
  };
}

/** @param {Omit<TrainerOptions, 'data'>} options @param {{width: number, height: number}[]} pictures */
function preset({ size, steps = 2000, codebook = {}, width }, pictures) {
  const small = (size ?? cropSize(pictures, 1)) <= 64;
  const channels = width ?? (small ? 32 : 96);
  if (!Number.isInteger(channels) || channels < 8 || channels % 8)
    throw new TesseraeError('ERR_OPTION', `width is ${channels}; it must be a multiple of 8.`);
  const dim = codebook.dim ?? (small ? 8 : 16);
  return {
    format: 1,
    name: 'trained',
    range: [-1, 1],
    ...(small ? smallNets : photoNets)(channels, dim),
    quantizer: {
      type: 'vq',
      update: 'ema',
      levels: small ? 1 : 4,
      size: small ? 256 : 512,
      dim,
      decay: 0.99,
      commitment: 0.25,
      restart: 0.02,
    },
    train: {
      size: size ?? cropSize(pictures, FACTORS[small ? 'small' : 'photo']),
      batch: 16,
      steps,
      lr: small ? 4e-3 : 6e-4,
      warmup: 50,
      lr_final: 0.05,
      ema: 0.99,
      quantize_from: Math.min(50, Math.round(steps / 4)),
      flip: false,
      loss: { l1: 1, l2: 2 },
    },
  };
}

/**
 * "train.adversarial": first the image's losses alone, which make the codes; then a decoder that is judged. The
 * discriminator is of the presets' size: a step of the second phase takes about 2.4 times one of the first.
 * @param {any} train the rest of "train"
 * @param {true | import('./types').TrainerAdversarial} options laid over it
 */
function twoPhases({ steps = 20000, size, adversarial }, options) {
  const given = { ...adversarial, ...(options === true ? {} : options) };
  return {
    from: Math.round(0.7 * steps),
    freeze: true,
    ...given,
    discriminator: { ...sizedFor(size), ...given.discriminator },
  };
}

/** A discriminator that suits crops of that side. @param {number} size */
const sizedFor = (size) => ({ layers: size < 48 ? 2 : 3, width: size > 64 ? 16 : 12, groups: size > 64 ? 8 : 4 });

/** Losses of the image and the codes under the names of the core. @param {import('./types').TrainerLoss} loss */
export function coreLoss({ l1, l2, msSsim, perceptual, entropy }) {
  return defined({ l1, l2, ms_ssim: msSsim, lpips: perceptual, entropy });
}

/** The adversary's weights among the losses, as "train.adversarial" has them. @param {import('./types').TrainerLoss} [loss] */
export function coreAdversary({ adversarial: weight, features } = {}) {
  return defined({ weight, features });
}

/**
 * The use count below which a code restarts: a code of average use that then goes unused for `after` steps.
 * @param {any} quantizer
 * @param {any} train
 * @param {number} factor
 * @param {number} after
 */
function restartBelow({ size, decay = 0.99 }, { size: side, batch = 16 }, factor, after) {
  return ((batch * (side / factor) ** 2) / size) * decay ** after;
}
