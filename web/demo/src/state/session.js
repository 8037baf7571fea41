/* The compress session: one source picture, the settings, and what became of it. A change of either starts a new run and
 * aborts the one before; the former result stays on screen until the new one is there. */
import { batch, computed, effect, signal } from '@preact/signals';
import { readInfo } from 'tesserae';
import { getCodec, modelId, openModelFile } from './codec.js';
import { isModel, isTess, MODEL_ENDINGS } from '../lib/files.js';
import { formatBytes } from '../lib/format.js';
import { readPixels } from '../lib/pictures.js';
import { dismissPassing, isAbort, notify, report, say } from './notice.js';
import { settings } from './settings.js';

/** null, or { id, name, blob, pixels, url, width, height, bytes, tess }: a picture (tess null) or an
 * opened .tess file (its bytes; no blob, pixels and url). */
export const source = signal(null);
/** Further pictures of the same drop: [{ id, name, blob, url }], the open one among them. */
export const shelf = signal([]);
/** null, or { sourceId, bytes, bpp, coder, width, height, tokens, encodeMs, decodeMs, psnr, msSsim, decoded }. */
export const result = signal(null);
/** null, or { stage, done, total } while a run is on. */
export const job = signal(null);
export const running = computed(() => job.value !== null);
/** The result, if it belongs to the picture on screen. */
export const shown = computed(() => (result.value?.sourceId === source.value?.id ? result.value : null));

let controller = null;
let nextId = 1;

/** The encode options that the settings ask for, as far as the model (ModelInfo) has them. */
export function ruleOptions(model) {
  const { rule, quality, bpp, kilobytes, effort, predict } = settings;
  const size = { quality: { quality: quality.value }, bpp: { bpp: bpp.value }, size: { targetSize: Math.round(kilobytes.value * 1000) } };
  return { ...size[rule.value], effort: effort.value, predict: predict.value && model?.predictors > 0 };
}

/** Opens what the user dropped, pasted or chose: pictures, .tess files or a model; the first one is shown. */
export async function openFiles(files) {
  const models = files.filter(isModel);
  const rest = files.filter((file) => !isModel(file));
  try {
    for (const file of models) await openModelFile(file);
    if (!rest.length) return;
    if (rest.length > 1) shelf.value = rest.map((blob) => ({ id: nextId++, name: blob.name || 'pasted picture', blob }));
    else shelf.value = [];
    await openFile(rest[0], shelf.value[0]?.id);
  } catch (error) {
    report(error, (models[0] ?? rest[0])?.name);
  }
}

/** Opens one file under an id; shows an error and keeps what was open if it cannot be read. */
export async function openFile(file, id = nextId++) {
  try {
    setSource({ id, ...(isTess(file) ? await describeTess(file) : await describePicture(file)) });
  } catch (error) {
    report(error);
  }
}

/** What a Blob or File holds: { name, pixels }; throws a sentence that names it. */
export async function readPicture(blob) {
  const name = blob.name || 'pasted picture.png';
  const pixels = await readPixels(blob).catch((cause) => {
    throw new Error(`${name} is not a picture that this browser can read. Try a JPEG, PNG, WebP or AVIF file; names of models end in ${MODEL_ENDINGS.join(' ')}.`, { cause });
  });
  return { name, pixels };
}

async function describePicture(blob) {
  const { name, pixels } = await readPicture(blob);
  const { width, height } = pixels;
  return { name, blob, pixels, url: URL.createObjectURL(blob), width, height, bytes: blob.size, tess: null };
}

async function describeTess(file) {
  const tess = new Uint8Array(await file.arrayBuffer());
  let info;
  try {
    info = readInfo(tess);
  } catch (error) {
    throw new Error(`${file.name} cannot be opened: ${error.message}`, { cause: error });
  }
  return { name: file.name, blob: null, pixels: null, url: null, width: info.width, height: info.height, bytes: tess.length, tess };
}

function setSource(next) {
  const former = source.peek();
  dismissPassing();
  batch(() => {
    source.value = next;
    result.value = null;
  });
  if (former?.url) URL.revokeObjectURL(former.url);
}

export function closeSource() {
  cancel();
  setSource(null);
  shelf.value = [];
}

export function cancel() {
  controller?.abort();
}

/** Encodes (or opens) the source, decodes it, measures it. */
async function run() {
  cancel();
  const mine = (controller = new AbortController());
  const { signal: stop } = mine;
  const { id, pixels, tess } = source.peek();
  const onProgress = (p) => p.status === 'work' && controller === mine && (job.value = { stage: p.stage, done: p.done, total: p.total });
  job.value = { stage: 'load', done: 0, total: 1 };
  dismissPassing();
  try {
    const codec = await getCodec();
    stop.throwIfAborted();
    const encoded = tess ? await openTess(codec, tess, stop) : await codec.encode(pixels, { ...ruleOptions(codec.model), measure: true, signal: stop, onProgress });
    const start = performance.now();
    const decoded = await codec.decode(encoded.bytes, { signal: stop, onProgress });
    const decodeMs = performance.now() - start;
    if (controller !== mine) return;
    const { bytes, bpp, width, height, tokens, ms, psnr, msSsim } = encoded;
    const { coder } = readInfo(bytes);
    result.value = { sourceId: id, bytes, bpp, coder, width, height, tokens, encodeMs: ms, decodeMs, psnr, msSsim, decoded };
    say(summary(result.value));
  } catch (error) {
    if (!isAbort(error)) report(error);
    else if (controller === mine) notify('Cancelled.', { actions: [{ label: 'Start again', run }], passing: true });
  } finally {
    if (controller === mine) {
      controller = null;
      job.value = null;
    }
  }
}

async function openTess(codec, bytes, signal) {
  const { width, height, bpp } = readInfo(bytes);
  return { bytes, width, height, bpp, tokens: await codec.tokens(bytes, { signal }), ms: undefined };
}

/** One sentence for a screen reader. */
function summary({ bytes, bpp, psnr, msSsim }) {
  const quality = psnr === undefined ? '' : `, PSNR ${psnr.toFixed(1)} decibels, MS-SSIM ${msSsim.toFixed(3)}`;
  return `Done: ${formatBytes(bytes.length)}, ${bpp.toFixed(3)} bits per pixel${quality}.`;
}

let timer;
effect(() => {
  const open = source.value;
  modelId.value;
  if (!open?.tess) ruleOptions();
  clearTimeout(timer);
  if (open) timer = setTimeout(run, 200);
});
