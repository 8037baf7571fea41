/* What is to be trained: a preset with the form's figures, or a config written by hand. Either way one JSON config, in the
 * language of ARCHITECTURE.md, "Config", is what the trainer gets. */
import { computed, effect, signal } from '@preact/signals';
import { createTrainer, trainerConfig } from 'tesserae';
import photo from '../../../../models/photo.json';
import { largestCrop, sets } from '../lib/dataset.js';
import { formatJson } from '../lib/format.js';
import { engine } from './codec.js';
import { settings, tab } from './settings.js';

/** Lookup-free scalar codes: the most bins that make at most `size` codes. */
function binsFor(size) {
  const choices = [[8, 5, 5, 5], [8, 8, 8], [8, 6, 5], [5, 5, 5], [4, 4, 4], [5, 5], [4, 4]];
  return choices.find((bins) => bins.reduce((product, n) => product * n) <= size) ?? [4, 2];
}

/** The options of the form that go to every preset's config. */
const common = ({ side, batch, steps, lr, seed, codes, perceptual }, flip) => ({
  size: side, batch, steps, lr, seed, codebook: { size: codes }, augment: { flip }, ...(perceptual > 0 && { loss: { l1: 1, l2: 2, perceptual } }),
});

/** Scalar quantization in place of a codebook: the encoder's last layer has one channel a dimension. */
function withScalars({ encoder, quantizer, ...rest }) {
  const bins = binsFor(quantizer.size);
  return { ...rest, encoder: [...encoder.slice(0, -1), { ...encoder.at(-1), out: bins.length }], quantizer: { type: 'fsq', bins } };
}

/** The bundled photo model's config with a short schedule: its weights are the start, and its codes move slowly and stay in use. */
const tuned = ({ side, batch, steps, lr, seed, perceptual }) => ({
  ...photo, quantizer: { ...photo.quantizer, decay: 0.999, restart: 0 },
  train: { ...photo.train, size: side, batch, steps, lr, seed, warmup: 20, quantize_from: 0, ema: 0.99, loss: { ...photo.train.loss, lpips: perceptual, lpips_from: 0 } },
});

/** Presets: `start` is laid over the form when one is chosen; `own`: for the user's pictures alone. */
export const presets = {
  vqvae: {
    label: 'VQ-VAE', about: 'Encoder, codebook and decoder learn together.',
    start: { side: 32, batch: 16, steps: 2000, codes: 128, lr: 0.002, perceptual: 0 }, make: (form, flip) => trainerConfig(common(form, flip), []),
  },
  vqgan: {
    label: 'VQGAN, two phases', about: 'First a VQ-VAE; then encoder and codes stand still and a discriminator makes the decoder sharper.',
    start: { side: 32, batch: 16, steps: 2000, codes: 128, lr: 0.002, perceptual: 0 },
    make: (form, flip) => trainerConfig({ ...common(form, flip), adversarial: { weight: 0.1, ramp: 50, balance: 'layer', loss: 'hinge', lr: 2e-4, features: 0, r1: 0, gate: 1 } }, []),
  },
  fsq: {
    label: 'FSQ', about: 'Scalars rounded to a few bins in place of a codebook: no code can die.',
    start: { side: 32, batch: 16, steps: 2000, codes: 256, lr: 0.002, perceptual: 0 }, make: (form, flip) => withScalars(trainerConfig(common(form, flip), [])),
  },
  photo: {
    label: 'Photo', about: 'Eight pixels a token and four levels of codes, for pictures of at least 128 pixels.', own: true,
    start: { side: 128, batch: 4, steps: 2000, codes: 512, lr: 0.0006, perceptual: 0 }, make: (form, flip) => trainerConfig(common(form, flip), []),
  },
  tuned: {
    label: 'Fine-tune the photo model', about: 'The built-in model learns your pictures; every fifth one is held out, and shows what was gained.', own: true, init: 'photo',
    start: { side: 128, batch: 4, steps: 400, codes: 1024, lr: 0.0001, perceptual: 0.8 }, make: tuned,
  },
};

/** What the user wrote in place of the preset's config; null: nothing. */
export const written = signal(null);
/** What is wrong with what was written, as a sentence; '' is fine, null not known yet. */
export const fault = signal('');

const form = () => Object.fromEntries(['side', 'batch', 'steps', 'lr', 'seed', 'codes', 'perceptual'].map((name) => [name, settings[name].value]));

/** The config of preset and form as text, or a sentence about why there is none. */
const derived = computed(() => {
  try {
    return { text: formatJson(presets[settings.preset.value].make(form(), sets[settings.data.value]?.flip ?? true)) };
  } catch (error) {
    return { text: '', error: error.message };
  }
});
export const configText = computed(() => written.value ?? derived.value.text);

/** Text as a config; throws a sentence. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`, { cause: error });
  }
}

/** The config to train with. */
export function config() {
  if (written.peek() === null && derived.peek().error) throw new Error(derived.peek().error);
  return parse(configText.peek());
}

/** True where the config asks for LPIPS, which needs the feature net. */
export const wantsFeatures = ({ train }) => (train?.loss?.lpips ?? 0) > 0;

/** Feature net and heads, one file for both; fetched on first use. */
export async function features() {
  const response = await fetch(new URL('../../../../models/lpips-squeeze.safetensors', import.meta.url));
  if (!response.ok) throw new Error(`The feature net of LPIPS could not be read (${response.status}).`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { net: bytes, heads: bytes };
}

/** Lets the core look at a config, with one blank picture to train on; resolves with '' or its sentence. */
async function faultOf(text) {
  try {
    const wanted = parse(text), side = wanted?.train?.size;
    if (!(side >= 8 && side <= 512)) return 'train.size is missing; it is the side of the training crops in pixels, 8 to 512.';
    if (side > largestCrop(settings.data.peek())) return `train.size is ${side}; these pictures are ${largestCrop(settings.data.peek())} pixels wide.`;
    const trainer = await createTrainer({ ...engine, config: wanted, data: [new ImageData(side, side)] });
    await trainer.dispose();
    return '';
  } catch (error) {
    return error.message;
  }
}

/** What the user writes is looked at when the keys rest. */
let timer;
effect(() => {
  const text = written.value;
  settings.data.value; // other pictures, other crops
  clearTimeout(timer);
  fault.value = text === null ? '' : null;
  if (text === null || tab.value !== 'train') return;
  timer = setTimeout(async () => {
    const found = await faultOf(text);
    if (written.peek() === text) fault.value = found;
  }, 400);
});

/** Takes up a preset with its own figures. */
export function choosePreset(name) {
  const { start, own } = presets[name];
  settings.preset.value = name;
  written.value = null;
  if (own) settings.data.value = 'own';
  for (const [key, value] of Object.entries(start)) settings[key].value = value;
  if (!own) fitSide();
}

/** Takes other pictures: the crop follows them, and a preset for photos gives way to one that fits. */
export function chooseData(name) {
  settings.data.value = name;
  if (name !== 'own' && presets[settings.preset.peek()].own) choosePreset('vqvae');
  else fitSide();
}

/** The crop that suits the pictures: digits are small, tiles are taken whole. */
function fitSide() {
  const { preset, data } = settings;
  if (!presets[preset.peek()].own) setSide(data.peek() === 'digits' ? 32 : 64);
}

/** Another crop size, and the learning rate that suits its net. */
export function setSide(side) {
  settings.side.value = side;
  if (!presets[settings.preset.peek()].init) settings.lr.value = side <= 64 ? presets.vqvae.start.lr : presets.photo.start.lr;
}
