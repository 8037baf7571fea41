/** Finds, checks and compiles the right build of the core: relaxed SIMD where it compiles, plain SIMD otherwise. */
import { TesseraeError } from './errors.js';

/** Fetches a file whole; rejects with a TesseraeError that names the URL.
 * @typedef {(url: string, timeout: number) => Promise<Uint8Array>} ReadBytes */

/** A module of one function: (v128, v128, v128) -> v128 by the given opcode. @param {number[]} opcode */
const probe = (opcode) =>
  new Uint8Array([
    0,
    97,
    115,
    109,
    1,
    0,
    0,
    0, // magic, version
    1,
    8,
    1,
    0x60,
    3,
    0x7b,
    0x7b,
    0x7b,
    1,
    0x7b, // type: three vectors to one
    3,
    2,
    1,
    0, // function 0 has type 0
    10,
    10 + opcode.length,
    1,
    8 + opcode.length,
    0,
    0x20,
    0,
    0x20,
    1,
    0x20,
    2,
    ...opcode,
    0x0b,
  ]);

/** Whether this engine compiles WebAssembly SIMD (v128.bitselect stands for all of it). */
export const hasSIMD = () => typeof WebAssembly === 'object' && WebAssembly.validate(probe([0xfd, 0x52]));
/** Whether it compiles relaxed SIMD, by the op the core uses: f32x4.relaxed_madd. */
export const hasRelaxed = () => typeof WebAssembly === 'object' && WebAssembly.validate(probe([0xfd, 0x85, 0x02]));

/**
 * The module to run: the caller's own, the caller's bytes, the caller's URL; otherwise the file beside this script, or
 * else (when a bundler has moved only one of the two) the file beside the page's script.
 * @param {import('./protocol.js').InitArgs} args @param {() => import('./protocol.js').WasmURLs} own
 * @param {ReadBytes} readBytes
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compileCore({ module, bytes, wasmURL, fallback, timeout }, own, readBytes) {
  if (typeof WebAssembly !== 'object')
    throw new TesseraeError('ERR_LOAD', 'This browser has no WebAssembly; use a newer one.');
  if (module) return module;
  if (bytes) return compile(bytes, 'the bytes given');
  if (!hasSIMD())
    throw new TesseraeError(
      'ERR_LOAD',
      'This browser has no WebAssembly SIMD; it came with Chrome 91, Firefox 89 and Safari 16.4.',
    );
  const places = wasmURL ? [{ simd: wasmURL }] : [own(), fallback ?? {}];
  /** @type {('relaxed' | 'simd')[]} */
  const wanted = hasRelaxed() ? ['relaxed', 'simd'] : ['simd'];
  let failure;
  for (const place of places) {
    for (const build of wanted) {
      const url = place[build];
      if (!url) continue;
      try {
        return await compile(await readBytes(url, timeout), url);
      } catch (error) {
        if (error.code === 'ERR_CSP') throw error;
        failure = error;
      }
    }
  }
  throw failure ?? new TesseraeError('ERR_LOAD', 'No WebAssembly file is known; pass wasmURL.');
}

/** @param {ArrayBuffer | Uint8Array} bytes @param {string} url */
async function compile(bytes, url) {
  const view = new Uint8Array(
    /** @type {any} */ (bytes).buffer ?? bytes,
    /** @type {any} */ (bytes).byteOffset ?? 0,
    bytes.byteLength,
  );
  if (view[0] !== 0 || view[1] !== 97 || view[2] !== 115 || view[3] !== 109) {
    const got = view[0] === 60 ? 'an HTML page (the file is missing there)' : 'something else';
    throw new TesseraeError(
      'ERR_LOAD',
      `Expected WebAssembly at ${url}, got ${got}. Copy the package's .wasm files beside the script, or pass wasmURL.`,
      { url },
    );
  }
  try {
    return await WebAssembly.compile(/** @type {any} */ (bytes));
  } catch (error) {
    if (/content security policy|unsafe-eval|blocked by csp/i.test(error.message)) {
      throw new TesseraeError(
        'ERR_CSP',
        `The page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src.`,
        { url, cause: error },
      );
    }
    throw new TesseraeError('ERR_LOAD', `The WebAssembly at ${url} does not compile: ${error.message}`, {
      url,
      cause: error,
    });
  }
}
