/** The Node worker (worker_threads). */
import { parentPort } from 'node:worker_threads';
import { readBytes, wasmURLs } from './node-files.js';
import { serve } from './server.js';
import { version } from './version.js';

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const post = (/** @type {any} */ message, /** @type {any[]} */ transfer = []) => port.postMessage(message, transfer);
port.on('message', serve({ post, readBytes, urls: wasmURLs }));
post({ hello: version });
