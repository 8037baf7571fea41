/** The browser worker: built into one self-contained file, so that a copy of it works anywhere. */
import { fetchBytes, wasmURLs } from './files.js';
import { serve } from './server.js';
import { version } from './version.js';

const post = (/** @type {any} */ message, /** @type {any[]} */ transfer = []) =>
  globalThis.postMessage(message, /** @type {any} */ ({ transfer }));
const handle = serve({ post, readBytes: fetchBytes, urls: wasmURLs });
globalThis.onmessage = (event) => handle(event.data);
post({ hello: version });
