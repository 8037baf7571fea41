/** Models: where they come from, the cache they are kept in, and the handle a caller holds. */
import { TesseraeError, throwIfAborted } from './errors.js';
import { rememberModel } from './format.js';
import { toBytes } from './pixels.js';
import { headerOf } from './safetensors.js';
import { version } from './version.js';

export const CACHE = 'tesserae-models-v1';
const MIME = 'application/octet-stream';

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */
/**
 * @typedef {Pick<import('./types').LoadOptions, 'cache' | 'fetch' | 'onProgress' | 'signal' | 'timeout'>} ModelOptions
 */

/** The bundled models by name. The literal forms are what bundlers look for. @returns {Record<string, URL>} */
export const bundled = () => ({
  photo: new URL('../models/photo.safetensors', import.meta.url),
  avatars: new URL('../models/avatars.safetensors', import.meta.url),
  digits: new URL('../models/digits.safetensors', import.meta.url),
  emoji: new URL('../models/emoji.safetensors', import.meta.url),
});

/** Parts of the bundled models: files of their own, fetched when a call first needs them. @returns {Record<string, URL>} */
export const bundledParts = () => ({
  'photo.prior': new URL('../models/photo.prior.safetensors', import.meta.url),
  'photo.upscaler': new URL('../models/photo.upscaler.safetensors', import.meta.url),
});

/** What a model can do with each of its parts. @type {Record<string, import('./types').ModelInfo['tasks'][number]>} */
const TASKS = { prior: 'inpaint', upscaler: 'upscale' };

/** Counts the parts beside a bundled model among what it can do.
 * @param {import('./types').ModelInfo} info @param {import('./types').ModelInput | undefined} source */
export function countParts(info, source) {
  const from = source instanceof Model ? source.source : source;
  const more = Object.keys(TASKS).filter((part) => `${from}.${part}` in bundledParts()).map((part) => TASKS[part]);
  info.tasks = [...new Set([...info.tasks, ...more])];
}

/** @typedef {{url: string, shipped: boolean}} Address */
/** @typedef {import('./types').Model} ModelShape */

/** @implements {ModelShape} */
export class Model {
  /** @type {Bytes | undefined} */
  #bytes;

  /** @param {import('./types').ModelInfo} info @param {Bytes} bytes @param {any} [source] where it came from */
  constructor(info, bytes, source) {
    this.info = info;
    this.source = source;
    countParts(info, source);
    rememberModel(info);
    this.#bytes = bytes;
  }

  /** The model file, not a copy. @returns {Bytes} */
  get bytes() {
    if (!this.#bytes)
      throw new TesseraeError('ERR_DISPOSED', `The model "${this.info.name}" was disposed of; load it again.`);
    return this.#bytes;
  }

  async save() {
    return this.bytes.slice();
  }
  async toBlob() {
    return new Blob([this.bytes], { type: MIME });
  }
  dispose() {
    this.#bytes = undefined;
  }
}

/** The address of a model named by a string: a bundled name, or else a URL or path. @param {string | URL} source @returns {Address} */
function addressOf(source) {
  const names = typeof source === 'string' && /^[\w-]+$/.test(source) ? bundled() : undefined;
  if (!names)
    return {
      url: typeof source === 'string' && globalThis.location ? new URL(source, location.href).href : String(source),
      shipped: false,
    };
  const url = names[String(source)];
  if (!url)
    throw new TesseraeError(
      'ERR_MODEL',
      `There is no bundled model "${source}", only ${Object.keys(names).join(', ')}. For a file, pass its URL or bytes.`,
    );
  return { url: url.href, shipped: true };
}

/**
 * Where a model's part would be: beside it, NAME.PART.safetensors; undefined where the model is not known to be anywhere.
 * @param {import('./types').ModelInput | undefined} source of the model @param {string} part @returns {Address | undefined}
 */
export function partAddress(source, part) {
  if (source instanceof Model) return partAddress(source.source, part);
  if (typeof source !== 'string' && !(source instanceof URL)) return undefined;
  const { url, shipped } = addressOf(source);
  if (shipped) return { url: bundledParts()[`${source}.${part}`]?.href ?? besideOf(url, part), shipped };
  return /^(blob|data):/.test(url) ? undefined : { url: besideOf(url, part), shipped };
}

/** @param {string} url @param {string} part */
const besideOf = (url, part) => url.replace(/(\.safetensors)?(?=$|[?#])/, `.${part}.safetensors`);

/**
 * A bundled model may change with the package, at the same address.
 * @param {Address} address
 */
const cacheKey = ({ url, shipped }) => (shipped ? `${url}?v=${version}` : url);

/**
 * The bytes of any model source.
 * @param {import('./types').ModelInput} source @param {ModelOptions} options
 * @param {((url: string) => Promise<Bytes>) | undefined} readFile how this platform reads local files, if it does
 * @returns {Promise<Bytes>}
 */
export async function modelBytes(source, options, readFile) {
  throwIfAborted(options.signal);
  if (source instanceof Model) return source.bytes;
  if (typeof source !== 'string' && !(source instanceof URL))
    return checkModel(await toBytes(/** @type {any} */ (source), 'a model: its name, path or URL, or bytes'));
  return fileOf(addressOf(source), options, readFile);
}

/**
 * The bytes of the file at an address.
 * @param {Address} address @param {ModelOptions} options
 * @param {((url: string) => Promise<Bytes>) | undefined} readFile
 * @returns {Promise<Bytes>}
 */
export async function fileOf(address, options, readFile) {
  const remote = /^(https?|blob|data):/.test(address.url);
  if (readFile && !remote) return checkModel(await readFile(address.url), address.url);
  return cachedDownload(address, options);
}

/** "PK": an archive by torch.save; 128: what it wrote before. @param {Bytes} bytes */
const isTorch = (bytes) => (bytes[0] === 80 && bytes[1] === 75) || bytes[0] === 128;

/** Is it another program's checkpoint, without a config of ours? @param {Bytes} bytes */
export function isForeign(bytes) {
  if (isTorch(bytes)) return true;
  return !headerOf(bytes).includes('"tesserae"');
}

/** Tells a model file from an error page before anything is made of it; `url`: where it came from, if not as bytes.
 * @param {Bytes} bytes @param {string} [url] */
function checkModel(bytes, url) {
  if (bytes[8] === 123 || isTorch(bytes)) return bytes; // "{": the header of safetensors, after its 8-byte length
  const remote = /^(https?|blob|data):/.test(url ?? '');
  const got = bytes[0] === 60 ? 'an HTML page' : bytes.length ? 'something else' : 'nothing';
  const cure = remote
    ? "Check the address; copy the package's models folder if need be."
    : 'Give a .safetensors file, or a .ckpt, .pt, .pth or .bin that torch.save wrote.';
  throw new TesseraeError('ERR_MODEL', `Expected a model file ${url ? `at ${url}` : 'in these bytes'}, got ${got}. ${cure}`, { url });
}


/** What the core finds wrong with a model, said with the model's name where it has one.
 * @param {any} source @returns {(error: any) => never} */
export function faultOf(source) {
  const url = [source].flat().filter((one) => typeof one === 'string' || one instanceof URL).join(', ');
  const codes = ['ERR_FORMAT', 'ERR_VERSION', 'ERR_CHECKSUM', 'ERR_MODEL', 'ERR_TOO_LARGE'];
  return (error) => {
    if (!url || error?.url || !codes.includes(error?.code)) throw error;
    throw new TesseraeError(error.code, `${url}: ${error.message}`, { url, cause: error });
  };
}

/** @param {Address} address @param {ModelOptions} options @returns {Promise<Bytes>} */
async function cachedDownload(address, { cache = CACHE, ...options }) {
  const { url } = address;
  const bucket =
    cache && /^https?:/.test(url) && globalThis.caches ? await caches.open(cache).catch(() => undefined) : undefined;
  const hit = await bucket?.match(cacheKey(address)).catch(() => undefined);
  if (hit) return checkModel(new Uint8Array(await hit.arrayBuffer()), url);
  const bytes = checkModel(await download(url, options), url);
  await bucket
    ?.put(
      cacheKey(address),
      new Response(bytes, { headers: { 'content-type': MIME, 'content-length': String(bytes.length) } }),
    )
    .catch(() => {}); // a full quota is no error
  return bytes;
}

/**
 * Fetches with progress; gives up when nothing has come for `timeout` ms.
 * @param {string} url
 * @param {ModelOptions} options
 * @returns {Promise<Bytes>}
 */
async function download(url, { fetch: get = fetch, onProgress, signal, timeout = 30000 }) {
  const stop = new AbortController();
  const late = new TesseraeError(
    'ERR_TIMEOUT',
    `Nothing came from ${url} for ${timeout} ms. Check the network, or raise the "timeout" option.`,
    { url },
  );
  const abort = () => stop.abort(signal?.reason);
  /** @type {any} */
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(late), timeout);
  };
  const stopped = new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(stop.signal.reason)));
  stopped.catch(() => {});
  signal?.addEventListener('abort', abort, { once: true });
  wait();
  try {
    const response = await Promise.race([get(url, { signal: stop.signal }), stopped]);
    if (!response.ok)
      throw new TesseraeError(
        'ERR_LOAD',
        `${url} answered ${response.status}. Check the address; a bundler may need the package's models folder copied.`,
        { url },
      );
    const encoded = response.headers.get('content-encoding');
    const length = Number(response.headers.get('content-length'));
    const total = length && !encoded ? length : undefined;
    const file = url.split(/[?#]/)[0].split('/').pop() || url;
    const parts = [];
    let loaded = 0;
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await Promise.race([reader.read(), stopped]);
      if (done) break;
      wait();
      parts.push(value);
      loaded += value.length;
      onProgress?.({ status: 'download', file, loaded, total });
      onProgress?.({ status: 'download-total', loaded, total, files: { [file]: { loaded, total } } });
    }
    if (total !== undefined && loaded !== total)
      throw new TesseraeError('ERR_LOAD', `${url} broke off after ${loaded} of ${total} bytes; try again.`, { url });
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason;
    if (error instanceof TesseraeError) throw error;
    throw new TesseraeError(
      'ERR_LOAD',
      `${url} could not be fetched (${error.message}). Check the address, CORS and connect-src.`,
      { url, cause: error },
    );
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** @param {string} url */
const named = (url) => Object.entries({ ...bundled(), ...bundledParts() }).find(([, at]) => url.split('?')[0] === at.href)?.[0] ?? url;

/** @param {((url: string) => Promise<Bytes>) | undefined} readFile @returns {typeof import('./types').models} */
export const modelShelf = (readFile) => ({
  async list() {
    const bucket = globalThis.caches ? await caches.open(CACHE).catch(() => undefined) : undefined;
    const found = new Map();
    for (const request of (await bucket?.keys()) ?? []) {
      const blob = await (await bucket?.match(request))?.blob();
      found.set(named(request.url), { name: named(request.url), bytes: blob?.size ?? 0, cached: true });
    }
    for (const [name, url] of Object.entries(bundled())) {
      if (!found.has(name)) found.set(name, { name, bytes: await sizeOf(url, readFile), cached: false });
    }
    return [...found.values()];
  },
  async clear(name) {
    const bucket = globalThis.caches ? await caches.open(CACHE).catch(() => undefined) : undefined;
    for (const request of (await bucket?.keys()) ?? []) {
      if (name === undefined || named(request.url) === name || request.url === name) await bucket?.delete(request);
    }
  },
});

/** @param {URL} url @param {((url: string) => Promise<Bytes>) | undefined} readFile */
async function sizeOf(url, readFile) {
  if (readFile)
    return readFile(url.href).then(
      (bytes) => bytes.length,
      () => 0,
    );
  return fetch(url, { method: 'HEAD' }).then(
    (r) => Number(r.headers.get('content-length') ?? 0),
    () => 0,
  );
}
