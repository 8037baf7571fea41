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

/** Models to choose from: [{ id, label, source, prior?, upscales? }], prior: it makes pictures up, upscales: it enlarges them. Trained and
 * opened ones are added at run time. */
export const modelList = signal([
  { id: 'photo', label: 'Photo (built in)', source: 'photo', upscales: true },
  { id: 'avatars', label: 'Avatars of 64 pixels (built in, 6.9 MB)', source: 'avatars', prior: true },
  { id: 'digits', label: 'Digits of 28 pixels (built in, 1.6 MB)', source: 'digits', prior: true },
  { id: 'emoji', label: 'Emoji of 64 pixels (built in, 9.2 MB)', source: 'emoji', prior: true },
]);
export const modelId = signal('photo');

/**
 * A place for the codec of the model that `chosen`, a signal, names: made on first use, remade when the name changes.
 * `codec` is null until loaded; `loading` null, or 0..1; `get` resolves with the codec. A failed load is not remembered.
 */
export function codecOf(chosen, options) {
  const codec = signal(null);
  const loading = signal(null);
  let opening = null; // { id, promise }

  function get() {
    const id = chosen.value;
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
        ...options,
        cache: false, // the service worker keeps it
        model: modelList.peek().find((entry) => entry.id === id).source,
        onProgress: (p) => p.status === 'download-total' && p.total && (loading.value = p.loaded / p.total),
      });
      if (chosen.peek() !== id) {
        await made.dispose();
        return get();
      }
      codec.value = made;
      return made;
    } finally {
      loading.value = null;
    }
  }

  return { codec, loading, get, forget: () => (opening = null) };
}

export const { codec, loading, get: getCodec, forget } = codecOf(modelId, { workers });

/** Adds a Model under a label and chooses it; the same id replaces. */
export function addModel(id, label, source) {
  const prior = Boolean(source.info?.prior), upscales = Boolean(source.info?.tasks.includes('upscale'));
  modelList.value = [...modelList.value.filter((entry) => entry.id !== id), { id, label, source, prior, upscales }];
  if (modelId.peek() === id) forget();
  modelId.value = id;
  say(`Model ${label} is in use.`);
}

/** Opens a model file or a checkpoint of the field as the model; throws TesseraeError if it is none. */
export async function openModelFile(file) {
  const model = await loadModel(new Uint8Array(await file.arrayBuffer()));
  addModel(`file:${file.name}`, file.name, model);
  notify(`${file.name} is now the model.`);
}
