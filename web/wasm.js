/**
 * Finds, checks and compiles the right build of the core: threads where memory can be shared, relaxed SIMD where it
 * compiles, plain SIMD otherwise.
 */
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

/** Why memory cannot be shared between workers here; empty where it can. */
export function whyAlone() {
  if (globalThis.crossOriginIsolated === false)
    return 'one thread a worker: the page is not cross-origin isolated (its server sends no COOP and COEP headers)';
  try {
    if (sharedMemory(1).buffer instanceof SharedArrayBuffer) return '';
  } catch {}
  return 'one thread a worker: memory cannot be shared here';
}

/** A shared memory for a threaded build, as large as this place allows: some reserve the maximum at once.
 * @param {number} [pages] to begin with @returns {WebAssembly.Memory} */
export function sharedMemory(pages = 64) {
  for (let maximum = 32768; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum, shared: true });
    } catch (error) {
      if (maximum <= 4096) throw error;
    }
  }
}

/** Whether a module is a threaded build. @param {WebAssembly.Module} module */
export const importsMemory = (module) => WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');

/** Throws where a module is the codec core, and a call needs the studio core. @param {WebAssembly.Module} module @param {string} [url] */
export function checkStudio(module, url) {
  if (WebAssembly.Module.exports(module).some(({ name }) => name === 'tess_trainer_new')) return;
  throw new TesseraeError(
    'ERR_LOAD',
    'This is the codec core; training, generating, upscaling and LPIPS need the studio core, which does everything. Give tesserae-studio-*.wasm as wasmURL or wasmModule.',
    { url },
  );
}

/** @param {WebAssembly.Module} module @param {WebAssembly.Memory} [memory] @returns {Promise<any>} its exports */
export async function instantiate(module, memory) {
  /** @type {any} */
  const imports = {};
  for (const { module: space, name, kind } of WebAssembly.Module.imports(module)) {
    imports[space] ??= {};
    imports[space][name] =
      kind === 'memory'
        ? memory
        : () => {
            if (name === 'emscripten_notify_memory_growth') return;
            throw new WebAssembly.RuntimeError(`the core called ${space}.${name}, which is not there`);
          };
  }
  return (await WebAssembly.instantiate(module, imports)).exports;
}

/** @typedef {import('./types').BuildName} BuildName */

/** Every build, best first, and what may stand in for one that was asked for. @type {BuildName[]} */
export const BUILDS = ['relaxed-threads', 'simd-threads', 'relaxed', 'simd'];
/** A build of a core, as its file is named. @param {import('./protocol.js').CoreKind | undefined} kind @param {BuildName} build */
export const fileOf = (kind, build) => (kind === 'studio' ? /** @type {const} */ (`studio-${build}`) : build);
const standsIn = (/** @type {string} */ build, /** @type {string} */ wanted) =>
  wanted === 'auto' || wanted.startsWith(build) || build === 'simd' || wanted === BUILDS[0];

/**
 * The modules to try, best first: the caller's own, the caller's bytes, the caller's URL; otherwise the builds beside this
 * script, or else (when a bundler has moved only one of the two) beside the page's script. Each is fetched when it is tried.
 * @param {import('./protocol.js').InitArgs} args
 * @param {() => import('./protocol.js').WasmURLs} own
 * @param {ReadBytes} readBytes
 * @param {string} alone why there are no threads; empty: there are
 * @returns {{build: string, module: () => Promise<WebAssembly.Module>}[]}
 */
export function modules({ kind, module, bytes, wasmURL, fallback, timeout, backend = 'auto' }, own, readBytes, alone) {
  if (typeof WebAssembly !== 'object')
    throw new TesseraeError('ERR_LOAD', 'This browser has no WebAssembly; use a newer one.');
  if (module) return [{ build: 'given', module: async () => module }];
  if (bytes) return [{ build: 'given', module: () => compile(bytes, 'the bytes given') }];
  const fetched = (/** @type {string} */ url) => async () => compile(await readBytes(url, timeout), url);
  if (!hasSIMD())
    throw new TesseraeError(
      'ERR_LOAD',
      'This browser has no WebAssembly SIMD; it came with Chrome 91, Firefox 89 and Safari 16.4.',
    );
  if (wasmURL) return [{ build: 'given', module: fetched(wasmURL) }];
  const wanted = BUILDS.filter(
    (build) =>
      standsIn(build, backend) && (hasRelaxed() || !build.startsWith('r')) && !(alone && build.endsWith('threads')),
  );
  const found = [own(), fallback ?? {}].flatMap((place) =>
    wanted.flatMap((build) => {
      const url = place[fileOf(kind, build)];
      return url ? [{ build, module: fetched(url) }] : [];
    }),
  );
  if (!found.length) throw new TesseraeError('ERR_LOAD', 'No WebAssembly file is known; pass wasmURL.');
  return found;
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
