/** The browser worker: built into one self-contained file, so that a copy of it works anywhere. */
import { help } from './crew.js';
import { fetchBytes, wasmURLs } from './files.js';
import { serve } from './server.js';
import { version } from './version.js';

const post = (/** @type {any} */ message, /** @type {any[]} */ transfer = []) =>
  globalThis.postMessage(message, /** @type {any} */ ({ transfer }));

/** A helper: one more of this script. @type {import('./crew.js').Spawn} */
function spawn(message, heard) {
  const worker = new Worker(location.href, { type: 'module' });
  worker.onmessage = ({ data }) => 'helps' in data && heard(data.helps);
  worker.onerror = (event) => {
    event.preventDefault?.();
    heard(false);
  };
  worker.postMessage(message);
}

const handle = serve({
  post,
  readBytes: fetchBytes,
  urls: wasmURLs,
  cores: () => navigator.hardwareConcurrency,
  spawn: typeof Worker === 'function' ? spawn : undefined,
});
globalThis.onmessage = ({ data }) => (data.help ? help(data.help, post) : handle(data));
post({ hello: version });
