/** The Node worker (worker_threads). */
import { availableParallelism } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { help } from './crew.js';
import { readBytes, wasmURLs } from './node-files.js';
import { serve } from './server.js';
import { version } from './version.js';

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const post = (/** @type {any} */ message, /** @type {any[]} */ transfer = []) => port.postMessage(message, transfer);

/** A helper: one more of this script. @type {import('./crew.js').Spawn} */
function spawn(message, heard) {
  const worker = new Worker(new URL(import.meta.url), { execArgv: [] });
  worker.on('message', (data) => 'helps' in data && heard(data.helps));
  worker.on('error', () => heard(false));
  worker.postMessage(message);
  worker.unref();
}

const handle = serve({ post, readBytes, urls: wasmURLs, cores: availableParallelism, spawn });
port.on('message', (data) => (data.help ? help(data.help, post) : handle(data)));
post({ hello: version });
