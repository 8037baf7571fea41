/** The package's own files in Node, Deno and Bun, read from the disk; other addresses by fetch. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { TesseraeError } from './errors.js';
import { fetchBytes } from './files.js';

export { wasmURLs } from './files.js';

/**
 * A path, a file: URL, or anything that fetch takes.
 * @param {string | URL} where
 * @param {number} [timeout]
 * @param {typeof fetch} [get]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function readBytes(where, timeout = 30000, get) {
  const name = String(where);
  if (/^(https?|data|blob):/.test(name)) return /** @type {any} */ (fetchBytes(name, timeout, get));
  try {
    const buffer = await readFile(name.startsWith('file:') ? fileURLToPath(name) : name);
    return new Uint8Array(buffer); // a copy: a Buffer may share its memory
  } catch (error) {
    throw new TesseraeError(
      'ERR_LOAD',
      `${name} could not be read (${error.code ?? error.message}). Check the path; in a checkout, build first.`,
      { url: name, cause: error },
    );
  }
}
