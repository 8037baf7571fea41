/**
 * Builds the package's JavaScript into dist/, beside the .wasm files that CMake puts there:
 *   index.js (browsers), node.js, worker.js and node-worker.js (each one self-contained file), local.js (the core on the
 *   caller's thread), inline.js (worker and studio core, which does everything, as text: the lazy last resort), and the types.
 * Usage: node web/build.mjs
 */
import { build } from 'esbuild';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const web = new URL('./', import.meta.url);
const dist = new URL('../dist/', import.meta.url);
const at = (/** @type {string} */ name, base = web) => fileURLToPath(new URL(name, base));

/** Bundles one entry. Files that load lazily or as workers stay files of their own: their literal URLs are what bundlers look for.
 * @param {string} name @param {'browser' | 'node'} platform @param {string[]} [external] */
async function bundle(name, platform, external = []) {
  const result = await build({
    entryPoints: [at(name)],
    outfile: at(name, dist),
    bundle: true,
    format: 'esm',
    platform,
    external,
    target: platform === 'node' ? 'node20' : ['chrome91', 'firefox114', 'safari16.4'],
    legalComments: 'none',
    minify: platform === 'browser',
    write: false,
    logLevel: 'warning',
  });
  await writeFile(at(name, dist), result.outputFiles[0].text);
  return result.outputFiles[0].text;
}

await mkdir(dist, { recursive: true });
const [worker] = await Promise.all([
  bundle('worker.js', 'browser'),
  bundle('local.js', 'browser'),
  bundle('index.js', 'browser', ['./local.js', './inline.js']),
  bundle('node-worker.js', 'node'),
  bundle('node.js', 'node', ['./local.js', './inline.js']),
]);
const core = await readFile(at('tesserae-studio-simd.wasm', dist)).catch(() => {
  throw new Error('dist/tesserae-studio-simd.wasm is missing: build the WebAssembly cores first (npm run build)');
});
await writeFile(
  at('inline.js', dist),
  `export const workerSource=${JSON.stringify(worker)};export const wasm=${JSON.stringify(core.toString('base64'))};\n`,
);
await copyFile(at('types.d.ts'), at('index.d.ts', dist));
await copyFile(at('inline.d.ts'), at('inline.d.ts', dist));
