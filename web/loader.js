/**
 * The browser's ladder: a module worker, a blob that imports it (scripts from another origin), a worker carried inside
 * the package (bundlers that lost the file), and at last this thread. Each rung must say hello and start its core.
 */
import { Channel, within } from './channel.js';
import { TesseraeError } from './errors.js';
import { fetchBytes, wasmURLs } from './files.js';
import { version } from './version.js';
import { fileOf } from './wasm.js';

/** @typedef {import('./types').LoadOptions} LoadOptions */
/** @typedef {import('./types').Backend['where']} Where */
/** @typedef {{port: import('./channel.js').Port, bytes?: Uint8Array}} Opened */

export const TIMEOUT_MS = 30000;

/** @param {Worker} worker @param {() => void} [cleanUp] @returns {import('./channel.js').Port} */
function workerPort(worker, cleanUp) {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    terminate: () => {
      worker.terminate();
      cleanUp?.();
    },
    listen(message, dead) {
      worker.onmessage = (event) => message(event.data);
      worker.onmessageerror = () => dead(new TesseraeError('ERR_WORKER', 'A message to the worker could not be read.'));
      worker.onerror = (event) => {
        event.preventDefault?.();
        dead(
          new TesseraeError('ERR_WORKER', `The worker failed${event.message ? `: ${event.message}` : ' to start'}.`),
        );
      };
    },
  };
}

/** @param {string} source @returns {import('./channel.js').Port} */
function blobPort(source) {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  return workerPort(new Worker(url, { type: 'module' }), () => URL.revokeObjectURL(url));
}

/** @param {any} serve from local.js @returns {import('./channel.js').Port} */
function localPort(serve) {
  let alive = true;
  /** @type {(message: any) => void} */
  let handle = () => {};
  return {
    post: (message) => void setTimeout(() => alive && handle(message)),
    terminate: () => {
      alive = false;
    },
    listen(message) {
      handle = serve((/** @type {any} */ reply) => void queueMicrotask(() => alive && message(reply)));
    },
  };
}

/**
 * The rungs for these options, first choice first. Each gives a port, and what its core needs beyond the options.
 * @param {LoadOptions} options
 * @returns {{where: Where, url: string, open: () => Promise<Opened>}[]}
 */
function rungs({ workers = 1, workerURL }) {
  const bundled = () => new URL('./worker.js', import.meta.url).href;
  const address = workerURL ? String(workerURL) : 'worker.js';
  const inline = () => import('./inline.js');
  const local = {
    where: /** @type {Where} */ ('same-thread'),
    url: 'local.js',
    open: async () => ({ port: localPort((await import('./local.js')).serveHere) }),
  };
  if (workers === 0) return [local];
  const named = [
    {
      where: /** @type {Where} */ ('worker'),
      url: address,
      open: async () => ({
        port: workerPort(
          workerURL
            ? new Worker(workerURL, { type: 'module' })
            : new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }),
        ),
      }),
    },
    {
      where: /** @type {Where} */ ('blob-worker'),
      url: address,
      open: async () => ({
        port: blobPort(`import ${JSON.stringify(workerURL ? new URL(workerURL, location.href).href : bundled())};`),
      }),
    },
  ];
  if (workerURL) return named;
  return [
    ...named,
    {
      where: /** @type {Where} */ ('inline-worker'),
      url: 'inline.js',
      open: async () => {
        const { workerSource, wasm } = await inline();
        return { port: blobPort(workerSource), bytes: fromBase64(wasm) };
      },
    },
    local,
    { ...local, open: async () => ({ ...(await local.open()), bytes: fromBase64((await inline()).wasm) }) },
  ];
}

/** @param {string} text @returns {Uint8Array} */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/**
 * Starts a worker with its core ready. Tries one rung after the other; when none holds, the error lists what each said.
 * @param {LoadOptions} options
 * @param {import('./protocol.js').CoreKind} [kind]
 * @returns {Promise<import('./client.js').Started>}
 */
export async function startWorker(options, kind = 'codec') {
  const { wasmURL, wasmModule, fetch: get, timeout = TIMEOUT_MS, silence, backend, threads, workers = 1 } = options;
  const given = {
    kind,
    backend,
    threads,
    workers,
    module: wasmModule,
    wasmURL: wasmURL && new URL(wasmURL, globalThis.location?.href).href,
    fallback: wasmURLs(),
    timeout,
  };
  const bytes =
    get && !wasmModule
      ? await fetchBytes(given.wasmURL ?? /** @type {string} */ (given.fallback[fileOf(kind, 'simd')]), timeout, get)
      : undefined;
  const failures = [];
  for (const { where, url, open } of rungs(options)) {
    /** @type {Channel | undefined} */
    let channel;
    try {
      const opened = await open();
      channel = new Channel(opened.port, silence);
      const found = await within(channel.hello, timeout, 'The worker', url);
      if (found !== version)
        throw new TesseraeError(
          'ERR_LOAD',
          `The worker at ${url} is of version ${found}, the package of ${version}. Clear the cache and reload.`,
          { url },
        );
      const made = await within(
        channel.call('init', { ...given, bytes: bytes ?? (wasmURL ? undefined : opened.bytes) }),
        timeout,
        'The core',
        given.wasmURL ?? url,
      );
      return { channel, backend: { where, ...made, simd: true, workers, version } };
    } catch (error) {
      channel?.close(error);
      if (error.code === 'ERR_CSP') throw error;
      failures.push({ where, url: error.url ?? url, error });
    }
  }
  const code = failures.every(({ error }) => error.code === 'ERR_TIMEOUT') ? 'ERR_TIMEOUT' : 'ERR_LOAD';
  const said = failures.map(({ where, url, error }) => `${where} (${url}): ${error.message}`).join(' | ');
  throw new TesseraeError(code, `Tesserae could not start. ${said}`, {
    url: failures[0].url,
    cause: failures[0].error,
  });
}
