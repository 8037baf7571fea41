/** The package's own files, and how a browser fetches them. */
import { within } from './channel.js';
import { TesseraeError } from './errors.js';

/**
 * The builds of both cores beside this script. The literal forms are what bundlers look for.
 * @returns {import('./protocol.js').WasmURLs}
 */
export function wasmURLs() {
  try {
    return {
      simd: new URL('./tesserae-simd.wasm', import.meta.url).href,
      relaxed: new URL('./tesserae-relaxed.wasm', import.meta.url).href,
      'simd-threads': new URL('./tesserae-simd-threads.wasm', import.meta.url).href,
      'relaxed-threads': new URL('./tesserae-relaxed-threads.wasm', import.meta.url).href,
      'studio-simd': new URL('./tesserae-studio-simd.wasm', import.meta.url).href,
      'studio-relaxed': new URL('./tesserae-studio-relaxed.wasm', import.meta.url).href,
      'studio-simd-threads': new URL('./tesserae-studio-simd-threads.wasm', import.meta.url).href,
      'studio-relaxed-threads': new URL('./tesserae-studio-relaxed-threads.wasm', import.meta.url).href,
    };
  } catch {
    return {}; // no usable import.meta.url: a sandbox, or code that runs from a blob
  }
}

/**
 * Fetches a file whole.
 * @param {string} url
 * @param {number} timeout
 * @param {typeof fetch} [get]
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(url, timeout, get = fetch) {
  try {
    const response = await within(get(url, { credentials: 'same-origin' }), timeout, 'The file', url);
    if (!response.ok)
      throw new TesseraeError(
        'ERR_LOAD',
        `${url} answered ${response.status}. Copy the package's .wasm files beside the script, or pass wasmURL.`,
        { url },
      );
    return new Uint8Array(await within(response.arrayBuffer(), timeout, 'The file', url));
  } catch (error) {
    if (error instanceof TesseraeError) throw error;
    throw new TesseraeError(
      'ERR_LOAD',
      `${url} could not be fetched (${error.message}). Check the address, CORS and connect-src.`,
      { url, cause: error },
    );
  }
}
