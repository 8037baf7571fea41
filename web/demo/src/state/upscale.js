/* What the Upscale tab works on: a small picture and its enlargements, bicubic, smooth and sharp. The last two are asked for once;
 * what lies between them is a mix. A new picture, factor or model starts a new run and aborts the one before. */
import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { isModel, isTess } from '../lib/files.js';
import { withExtension } from '../lib/format.js';
import { enlarge, hold, reduce, writeMix } from '../lib/pictures.js';
import { codecOf, modelList } from './codec.js';
import { dismissPassing, isAbort, notify, report, say } from './notice.js';
import { openFile, openFiles, readPicture } from './session.js';
import { settings, tab } from './settings.js';

const MOST_PIXELS = 12e6; // of an enlargement: three of them, 48 MB each, are kept; more would hold up the page where it has no GPU
const SHRINK = 4; // samples are made this much smaller first

/** The models that enlarge pictures, and which of them does. */
export const upscalers = computed(() => modelList.value.filter(({ upscales }) => upscales));
export const upscalerId = signal('photo');
export const { loading: fetching, get: getUpscaler } = codecOf(upscalerId, { workers: 1 });

/** null, or { name, blob, pixels, original }: the picture as it was opened; original: the Blob that it was shrunk from, if it is a sample. */
export const small = signal(null);
/** null, or { width, height, factor, bicubic, original, smooth, sharp, ms } of the open picture: bicubic and original are ImageBitmaps, the
 * latter null where none is known; smooth and sharp are { bitmap, raw } (lib/pictures.js, hold) and null until they are there; ms: what
 * the two took. */
export const large = signal(null);
/** null, or { stage: 'load' | 'smooth' | 'sharp', part } while a run is on; part 0..1. */
export const job = signal(null);

let controller = null;

export const cancel = () => controller?.abort();

/** Takes files that were dropped, pasted or chosen here: a picture to enlarge; anything else goes where it belongs. */
export function takeFiles(files) {
  const picture = files.find((file) => !isModel(file) && !isTess(file));
  if (picture) return openSmall(picture);
  if (files.some(isTess)) tab.value = 'compress';
  return openFiles(files);
}

/** Opens one picture; shows an error and keeps what was open if it cannot be read. */
export async function openSmall(blob, original = null) {
  try {
    setSmall({ blob, original, ...(await readPicture(blob)) });
  } catch (error) {
    report(error);
  }
}

/** Opens a sample, made small. */
export async function openShrunk(file) {
  try {
    const blob = await reduce(file, SHRINK);
    await openSmall(new File([blob], withExtension(file.name, '-small.png'), { type: blob.type }), file);
  } catch (error) {
    report(error, 'The sample could not be made small');
  }
}

export const closeSmall = () => setSmall(null);

function setSmall(next) {
  cancel();
  dismissPassing();
  batch(() => {
    small.value = next;
    setLarge(null);
  });
}

/** Bitmaps are let go of by hand: they are too large to wait for the collector. */
function setLarge(next) {
  const former = large.peek();
  large.value = next;
  if (former && former.bicubic !== next?.bicubic) for (const bitmap of [former.bicubic, former.original, former.smooth?.bitmap, former.sharp?.bitmap]) bitmap?.close();
}

/** Asks for the smooth and the sharp answer. */
export async function upscale() {
  cancel();
  const mine = (controller = new AbortController());
  const { signal: stop } = mine;
  const { blob, pixels, original: whole } = small.peek();
  const factor = Number(settings.factor.peek());
  const width = factor * pixels.width, height = factor * pixels.height;
  const add = (more) => {
    stop.throwIfAborted();
    setLarge({ ...large.peek(), ...more });
  };
  dismissPassing();
  setLarge(null);
  try {
    if (width * height > MOST_PIXELS) throw new Error(tooLarge(pixels, factor));
    job.value = { stage: 'load', part: 0 };
    const opening = getUpscaler();
    opening.catch(() => {}); // it is waited for below
    const bicubic = await enlarge(blob, factor);
    const original = whole && factor === SHRINK ? await enlarge(whole, 1) : null;
    add({ width, height, factor, bicubic, original, smooth: null, sharp: null, ms: 0 });
    const codec = await opening;
    for (const [sharpness, stage] of ['smooth', 'sharp'].entries()) {
      stop.throwIfAborted();
      const start = performance.now();
      const onProgress = ({ status, done, loaded, total }) => {
        if (controller !== mine) return;
        if (status === 'work') job.value = { stage, part: done / total };
        else if (status === 'download-total') job.value = { stage: 'load', part: total ? loaded / total : 0 };
      };
      const answer = await codec.upscale(pixels, { factor, sharpness, signal: stop, onProgress });
      const ms = large.peek().ms + performance.now() - start;
      add({ [stage]: await hold(answer), ms });
    }
    say(`Done: ${width} by ${height} pixels.`);
  } catch (error) {
    if (controller === mine) explain(error);
  } finally {
    if (controller === mine) {
      controller = null;
      job.value = null;
    }
  }
}

function tooLarge({ width, height }, factor) {
  const cure = factor > 2 && 4 * width * height <= MOST_PIXELS ? 'Take factor 2, or a smaller picture' : 'Take a smaller picture';
  return `${width} × ${height} pixels, ${factor} times as wide and high, are more than the ${MOST_PIXELS / 1e6} megapixels that fit in here. ${cure}.`;
}

/** Says what went wrong, and what to do about it. */
function explain(error) {
  const again = [{ label: 'Try again', run: upscale }];
  if (isAbort(error)) notify('Cancelled.', { actions: [{ label: 'Start again', run: upscale }], passing: true });
  else if (error.code === 'ERR_LOAD' || error.code === 'ERR_TIMEOUT') notify(`The upscaler could not be fetched; once it was, it stays on this machine. ${error.message}`, { kind: 'error', actions: again });
  else report(error, 'Not enlarged');
}

/** What is on screen as a file: at the sharpness that is set, or the smooth answer while there is no other. */
export async function fileOfAnswer() {
  const { width, height, factor, smooth, sharp } = large.peek();
  const png = await writeMix({ a: smooth.raw, b: (sharp ?? smooth).raw, share: settings.sharpness.peek(), width, height });
  return new File([png], withExtension(small.peek().name, `-x${factor}.png`), { type: png.type });
}

/** Opens what is on screen in the Compress tab. */
export async function compressAnswer() {
  try {
    await openFile(await fileOfAnswer());
    tab.value = 'compress';
  } catch (error) {
    report(error, 'The picture could not be opened');
  }
}

effect(() => {
  settings.factor.value;
  upscalerId.value;
  if (small.value) untracked(upscale);
});
