/* What the Generate tab makes up: a sheet of samples, painted as their tokens settle, and the one that is chosen. */
import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { halfOf } from '../lib/mask.js';
import { writePng } from '../lib/pictures.js';
import { codecOf, modelId, modelList } from './codec.js';
import { openPicture } from './inpaint.js';
import { report, say } from './notice.js';
import { openFile } from './session.js';
import { rangeOf, settings, tab } from './settings.js';

/** The models that make pictures up, and which of them does. */
export const priors = computed(() => modelList.value.filter(({ prior }) => prior));
export const priorId = settings.prior; // so a link names it
export const { codec: generator, loading: fetching, get: getGenerator, forget } = codecOf(priorId, { workers: 1 });

/** [{ seed, image, tokens, done }]: image and tokens null until the first step, `done` 0..1. Empty before the first run. */
export const samples = signal([]);
/** The place of the chosen sample, or null. */
export const chosen = signal(null);
/** The sample that these are variations of, or null. */
export const origin = signal(null);
/** null, or 0..1 while a run is on. */
export const progress = signal(null);
export const picked = computed(() => samples.value[chosen.value] ?? null);

let controller = null;

/** What the settings ask of the sampler, as far as the model knows it. */
function options({ text, classes }) {
  const { prompt, label, guidance, temperature, passes, settle } = settings;
  return {
    prompt: text ? prompt.value : undefined,
    label: label.value >= 0 && label.value < classes ? label.value : undefined,
    guidance: guidance.value,
    temperature: temperature.value,
    steps: passes.value,
    order: settle.value,
  };
}

const anySeed = () => Math.floor(Math.random() * (rangeOf('draw').max + 1));

/** Makes a new sheet: of variations of a sample (half of its tokens stay), or from nothing. */
export async function generate(from = null) {
  cancel();
  const mine = (controller = new AbortController());
  const { signal: stop } = mine;
  const first = from ? anySeed() : settings.draw.value;
  const count = Number(settings.pictures.value);
  batch(() => {
    samples.value = Array.from({ length: count }, (_, i) => ({ seed: first + i, image: null, tokens: null, done: 0 }));
    chosen.value = null;
    origin.value = from;
    progress.value = 0;
  });
  try {
    const codec = await getGenerator();
    stop.throwIfAborted();
    const asked = options(codec.model.prior);
    for (let i = 0; i < count; i++) {
      const given = from && { condition: from.tokens, keep: halfOf(from.tokens.data.length) };
      for await (const step of codec.generate({ ...asked, ...given, seed: first + i, signal: stop })) {
        const image = await step.preview();
        if (controller !== mine) return;
        const done = step.done / step.total;
        batch(() => {
          samples.value = samples.value.map((sample, at) => (at === i ? { ...sample, image, tokens: step.tokens, done } : sample));
          progress.value = (i + done) / count;
        });
      }
    }
    say(from ? `${count} variations are made.` : `${count} pictures are made.`);
  } catch (error) {
    if (controller === mine) samples.value = samples.value.filter(({ done }) => done === 1);
    report(error, 'Nothing was made');
  } finally {
    if (controller === mine) {
      controller = null;
      progress.value = null;
    }
  }
}

/** The same with another seed. */
export function generateOthers() {
  settings.draw.value = anySeed();
  return generate();
}

export function cancel() {
  controller?.abort();
}

const nameOf = (seed) => `${priorId.value.replace(/^file:|\.\w+$/g, '')}-${seed}`;

/** A sample as a file that a user would have dropped. */
export async function fileOf({ image, seed }) {
  return new File([await writePng(image)], `${nameOf(seed)}.png`, { type: 'image/png' });
}

/** Its very tokens as a .tess file. */
async function tessOf({ tokens, seed }) {
  return new File([await (await getGenerator()).pack(tokens)], `${nameOf(seed)}.tess`);
}

/** Opens a sample as the picture of another tab, with the model that made it: in the Tokens tab as it was made, not encoded again. */
export async function openSample(sample, to) {
  try {
    const file = await (to === 'tokens' ? tessOf(sample) : fileOf(sample));
    const inpaints = to === 'inpaint';
    (inpaints ? settings.filler : modelId).value = priorId.value;
    await (inpaints ? openPicture : openFile)(file);
    tab.value = to;
  } catch (error) {
    report(error, 'The picture could not be opened');
  }
}

/** Another model makes the pictures: at once where they are on view, else when they are looked at. */
function startAfresh() {
  cancel();
  forget();
  batch(() => {
    samples.value = [];
    chosen.value = origin.value = null;
  });
  if (tab.value === 'generate') generate();
}

let former = { models: priors.peek(), id: priorId.peek() };
effect(() => {
  const models = priors.value, asked = priorId.value;
  const opened = models.find((entry) => !former.models.includes(entry)); // a model file with a prior
  const id = opened?.id ?? asked;
  const changed = opened || id !== former.id;
  former = { models, id };
  priorId.value = id;
  if (changed) untracked(startAfresh);
});
