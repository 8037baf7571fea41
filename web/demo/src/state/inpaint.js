/* What the Inpaint tab makes of the masked part: samples to choose from, one of which may become the picture to go on with. */
import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { isModel, isTess } from '../lib/files.js';
import { withExtension } from '../lib/format.js';
import { breathe } from '../lib/pause.js';
import { copyOf, writePng } from '../lib/pictures.js';
import { cutOut, thumbnail } from '../lib/pixels.js';
import { codecOf, modelList } from './codec.js';
import { edit, mask, picture, proceed, undoable } from './editing.js';
import { report, say } from './notice.js';
import { openFile, readPicture, source } from './session.js';
import { rangeOf, settings, tab } from './settings.js';

const THUMBNAIL = 160; // pixels, at most

/** Every model fills; `settings.filler` names the one that does. */
export const { loading: fetching, get: getFiller, forget } = codecOf(settings.filler, { workers: 1 });

/** null, or { of, list }: the picture that they are of, and [{ seed, image, thumb }]. */
const made = signal(null);
/** The samples of the picture on screen. */
export const samples = computed(() => (made.value && made.value.of === picture.value ? made.value.list : []));
/** The place of the sample on view; null: picture and mask are. */
export const chosen = signal(null);
export const picked = computed(() => samples.value[chosen.value] ?? null);
/** null, or { stage: 'load' | 'fill', part } while a run is on; part 0..1. */
export const job = signal(null);

let controller = null;

/** Opens a picture to work on. */
export async function openPicture(file) {
  try {
    await start(await readPicture(file));
  } catch (error) {
    report(error);
  }
}

let starting = null;

/** Starts over with a picture; what is transparent in it is masked. */
async function start(next) {
  cancel();
  starting = next;
  const cut = next && (await cutOut(next.pixels));
  if (starting !== next) return; // another one was opened meanwhile
  batch(() => {
    edit(cut ? { name: next.name, pixels: cut.pixels } : next, cut?.hole.words);
    made.value = chosen.value = null;
  });
}

export const closePicture = () => start(null);

/** Whether dropped files are for this tab: pictures are, .tess files and models are not. */
export const takes = (files) => files.every((file) => !isModel(file) && !isTess(file));

let adopted = null;

/** Takes the picture of the Compress tab if it is a new one and no work would be lost. */
export async function adopt() {
  const { id, name, pixels } = source.peek() ?? {};
  if (!pixels || id === adopted || undoable.peek()) return;
  adopted = id;
  return start({ name, pixels });
}

/** Fills the masked part, as often as the settings say. */
export async function fill() {
  cancel();
  const mine = (controller = new AbortController());
  const of = picture.peek(), hole = mask.peek().toBytes(), box = around(mask.peek());
  const seed = settings.chance.peek();
  const onProgress = ({ status, done, loaded, total }) => {
    if (controller !== mine) return;
    if (status === 'work') job.value = { stage: 'fill', part: done / total };
    else if (status === 'download-total') job.value = { stage: 'load', part: total ? loaded / total : 0 };
  };
  job.value = { stage: 'load', part: 0 };
  try {
    const codec = await getFiller();
    const pixels = await copyOf(of.pixels);
    mine.signal.throwIfAborted();
    const images = await codec.inpaint(pixels, hole, {
      samples: settings.samples.peek(), seed, temperature: settings.heat.peek(), transfer: true, signal: mine.signal, onProgress,
    });
    const list = [];
    for (const [i, image] of images.entries()) {
      list.push({ seed: seed + i, image, thumb: thumbnail(image, box, THUMBNAIL) });
      await breathe();
    }
    if (controller !== mine || picture.peek() !== of) return;
    batch(() => {
      made.value = { of, list };
      chosen.value = 0;
    });
    say(list.length > 1 ? `${list.length} samples are made. The first is on view.` : 'A sample is made. It is on view.');
  } catch (error) {
    if (controller === mine) report(error, 'Nothing was filled');
  } finally {
    if (controller === mine) {
      controller = null;
      job.value = null;
    }
  }
}

/** The same with another seed. */
export function fillOtherwise() {
  settings.chance.value = Math.floor(Math.random() * (rangeOf('chance').max + 1));
  return fill();
}

export function cancel() {
  controller?.abort();
}

/** The mask's box with something of what lies around it. */
function around(bitmask) {
  const { x, y, width, height } = bitmask.box();
  const margin = Math.round(Math.max(width, height) / 4);
  const left = Math.max(0, x - margin), top = Math.max(0, y - margin);
  return { x: left, y: top, width: Math.min(bitmask.width, x + width + margin) - left, height: Math.min(bitmask.height, y + height + margin) - top };
}

/** Makes the sample on view the picture to go on with. */
export function keep() {
  proceed('kept sample', { name: picture.peek().name, pixels: picked.peek().image });
  say('Kept. Mask something else, or undo.');
}

/** What is on view, the mask left out, as a file that a user would have dropped. */
export async function fileOnView() {
  const { name, pixels } = picture.peek();
  return new File([await writePng(picked.peek()?.image ?? pixels)], withExtension(name, '.png'), { type: 'image/png' });
}

/** Opens what is on view as the picture of the Compress tab. */
export async function compress() {
  try {
    const file = await fileOnView();
    await openFile(file);
    adopted = source.peek()?.id;
    tab.value = 'compress';
  } catch (error) {
    report(error, 'The picture could not be opened');
  }
}

/** Lets another model fill. */
export function chooseFiller(id) {
  cancel();
  forget();
  settings.filler.value = id;
}

effect(() => {
  mask.value;
  chosen.value = null; // who changes the mask, or takes a step back, is to see it
});

let former = modelList.peek();
effect(() => {
  const opened = modelList.value.find((entry) => !former.includes(entry));
  former = modelList.value;
  if (!opened || (tab.peek() !== 'inpaint' && opened.id !== settings.filler.peek())) return;
  untracked(() => chooseFiller(opened.id)); // a model file was opened here, or replaced
});
