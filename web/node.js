/** The package in Node, Deno and Bun: the same calls, on worker_threads, reading files from the disk. */
import { Worker } from 'node:worker_threads';
import { createApi } from './api.js';
import { Channel, within } from './channel.js';
import { TesseraeError } from './errors.js';
import { readImage as readPixels } from './node-images.js';
import { readBytes, wasmURLs } from './node-files.js';
import { serve } from './server.js';
import { version } from './version.js';

/** @param {string | URL | undefined} url @returns {import('./channel.js').Port} */
function workerPort(url) {
  const options = { execArgv: [] }; // the process's own, such as --input-type, may not suit a worker
  const worker = url
    ? new Worker(new URL(url, import.meta.url), options)
    : new Worker(new URL('./node-worker.js', import.meta.url), options);
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    terminate: () => void worker.terminate(),
    hold: () => worker.ref(),
    release: () => worker.unref(),
    listen(message, dead) {
      worker.on('message', message);
      worker.on('error', (error) =>
        dead(
          new TesseraeError('ERR_WORKER', `The worker failed: ${error.message}. The next call starts a fresh one.`, {
            cause: error,
          }),
        ),
      );
      worker.on('exit', (code) =>
        dead(
          new TesseraeError('ERR_WORKER', `The worker ended with exit code ${code}. The next call starts a fresh one.`),
        ),
      );
    },
  };
}

/** The core on this thread. @returns {import('./channel.js').Port} */
function localPort() {
  let alive = true;
  /** @type {(message: any) => void} */
  let handle = () => {};
  return {
    post: (message) => void setImmediate(() => alive && handle(message)),
    terminate: () => {
      alive = false;
    },
    listen(message) {
      handle = serve({ post: (reply) => queueMicrotask(() => alive && message(reply)), readBytes, urls: wasmURLs });
      queueMicrotask(() => message({ hello: version }));
    },
  };
}

/** @type {import('./codec.js').Platform['startWorker']} */
async function startWorker(options, kind = 'codec') {
  const { workers = 1, workerURL, wasmURL, wasmModule, fetch: get, timeout = 30000, silence, backend, threads } = options;
  const where = workers === 0 ? 'node' : 'node-worker';
  const name = String(workerURL ?? 'node-worker.js');
  const channel = new Channel(workers === 0 ? localPort() : workerPort(workerURL), silence);
  channel.port.hold?.(); // while it starts
  try {
    const found = await within(channel.hello, timeout, 'The worker', name);
    if (found !== version)
      throw new TesseraeError('ERR_LOAD', `The worker at ${name} is of version ${found}, the package of ${version}.`, {
        url: name,
      });
    const bytes = get && wasmURL ? await readBytes(wasmURL, timeout, get) : undefined;
    const places = { kind, module: wasmModule, bytes, wasmURL: wasmURL && String(wasmURL), timeout };
    const init = { ...places, backend, threads, workers };
    const made = await within(channel.call('init', init), timeout, 'The core', init.wasmURL ?? name);
    return { channel, backend: { where, ...made, simd: true, workers, version } };
  } catch (error) {
    channel.close(error);
    if (error.code !== 'ERR_WORKER') throw error;
    throw new TesseraeError('ERR_LOAD', `The worker at ${name} did not start: ${error.message}`, {
      url: name,
      cause: error,
    });
  }
}

export const {
  createCodec,
  encode,
  decode,
  encodeStream,
  readImage,
  compare,
  loadModel,
  createTrainer,
  resumeTrainer,
  models,
} = /* @__PURE__ */ createApi({ startWorker, readImage: readPixels, readFile: (path) => readBytes(path) });
export { trainerConfig } from './config.js';
export { detect } from './detect.js';
export { TesseraeError } from './errors.js';
export { readInfo } from './format.js';
export { tokenGrid } from './tokens.js';
export { version } from './version.js';
