/* The codec that the page works with: made on first use, remade when another model is chosen. */
import { signal } from '@preact/signals';
import { createCodec, detect, loadModel } from 'tesserae';
import { notify, say } from './notice.js';

/** What the page's address asks of the core: ?backend=simd-threads&threads=2&workers=1. */
const asked = new URLSearchParams(location.search);
export const engine = {
  backend: asked.get('backend') ?? 'auto',
  threads: Number(asked.get('threads')) || 'auto',
};
/** Where threads cannot be had, several workers share large pictures and batches; each holds the model. */
const workers = Number(asked.get('workers')) || (detect().threads ? 1 : Math.min(4, navigator.hardwareConcurrency || 1));

/** Models to choose from: [{ id, label, source }]; trained and opened ones are added at run time. */
export const modelList = signal([{ id: 'photo', label: 'Photo (built in)', source: 'photo' }]);
export const modelId = signal('photo');
/** null until loaded; then the Codec. */
export const codec = signal(null);
/** Loading: null, or 0..1. */
export const loading = signal(null);

let opening = null; // { id, promise }

/** The codec of the chosen model. A failed load is not remembered: the next call tries again. */
export function getCodec() {
  const id = modelId.value;
  if (opening?.id !== id) {
    const promise = open(id);
    opening = { id, promise };
    promise.catch(() => opening?.promise === promise && (opening = null));
  }
  return opening.promise;
}

async function open(id) {
  const former = codec.peek();
  codec.value = null;
  loading.value = 0;
  try {
    await former?.dispose();
    const made = await createCodec({
      ...engine,
      workers,
      cache: false, // the service worker keeps it
      model: modelList.peek().find((entry) => entry.id === id).source,
      onProgress: (p) => p.status === 'download-total' && p.total && (loading.value = p.loaded / p.total),
    });
    if (modelId.peek() !== id) {
      await made.dispose();
      return getCodec();
    }
    codec.value = made;
    return made;
  } finally {
    loading.value = null;
  }
}

/** Adds a Model under a label and chooses it; the same id replaces. */
export function addModel(id, label, source) {
  modelList.value = [...modelList.value.filter((entry) => entry.id !== id), { id, label, source }];
  if (modelId.peek() === id) opening = null;
  modelId.value = id;
  say(`Model ${label} is in use.`);
}

/** Opens a model file or a checkpoint of the field as the model; throws TesseraeError if it is none. */
export async function openModelFile(file) {
  const model = await loadModel(new Uint8Array(await file.arrayBuffer()));
  addModel(`file:${file.name}`, file.name, model);
  notify(`${file.name} is now the model.`);
}
