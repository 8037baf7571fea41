// Builds what is missing or stale: the native programs, the WebAssembly modules, the npm package, the page.
//   node scripts/build.mjs [native] [wasm] [package] [page]      all by default, in this order

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from './setup.mjs';
import { Failure, isMain, main, root, run, say } from './lib/run.mjs';

/** The time (ms) of the newest file under these paths; 0 without any. */
export function newest(...paths) {
    let latest = 0;
    for (const name of paths) {
        const full = path.resolve(root, name);
        if (!existsSync(full)) continue;
        const info = statSync(full);
        if (!info.isDirectory()) latest = Math.max(latest, info.mtimeMs);
        else latest = Math.max(latest, newest(...readdirSync(full).map((entry) => path.join(full, entry))));
    }
    return latest;
}

const folderOf = (preset) => path.join('build', preset === 'release' ? 'native' : preset);

/** Configures a CMake preset, once, with `wrap` before cmake (emcmake for WebAssembly); returns its build folder. */
export function configure(preset) {
    const folder = folderOf(preset);
    if (!existsSync(path.join(root, folder, 'build.ninja'))) {
        const [command, ...args] = [...(preset.startsWith('wasm') ? ['emcmake'] : []), 'cmake', '--preset', preset];
        run(command, args, { quiet: true });
    }
    return folder;
}

/** Builds targets (all by default) of a CMake preset; Ninja knows what is stale. */
export function cmake(preset, ...targets) {
    const folder = configure(preset);
    const chosen = targets.length ? ['--target', ...targets] : [];
    const silent = process.stdout.isTTY ? [] : ['--', '--quiet']; // a log needs no line per file
    run('cmake', ['--build', folder, ...chosen, ...silent], { env: { NINJA_STATUS: `[${preset} %f/%t] ` } });
}

/** build/native/tesserae and tesserae-scalar. */
export function buildNative() {
    say('building the native programs (build/native)');
    cmake('release', 'tesserae', 'tesserae-scalar');
}

/** The codec core (dist/tesserae-*.wasm) and the studio core (dist/tesserae-studio-*.wasm), for simd and relaxed, with and without threads, and the command line for Node, dist/cli. */
export function buildWasm() {
    say('building WebAssembly (dist/*.wasm, dist/cli)');
    const cores = ['web-codec', 'web-codec-threads', 'web-studio', 'web-studio-threads'];
    cmake('wasm-simd', ...cores, 'tesserae-cli');
    cmake('wasm-relaxed', ...cores);
}

/** True when `made` exists and is newer than everything under `from`. */
const fresh = (made, ...from) => newest(made) > newest(...from);

/** dist/*.js and dist/*.d.ts: the npm package's JavaScript. */
export function buildPackage() {
    const from = readdirSync(path.join(root, 'web')).filter((name) => name !== 'demo').map((name) => `web/${name}`);
    if (fresh('dist/index.js', ...from, 'package-lock.json', 'dist/tesserae-studio-simd.wasm')) return;
    say('building the package (dist/*.js)');
    run('node', ['web/build.mjs']);
}

/** dist/page: the page as static files. */
export function buildPage() {
    if (fresh('dist/page/index.html', 'web', 'models', 'package-lock.json', 'dist/index.js', 'dist/tesserae-relaxed.wasm', 'dist/tesserae-studio-relaxed.wasm')) return;
    say('building the page (dist/page)');
    run('node', ['node_modules/vite/bin/vite.js', 'build', 'web/demo', '--logLevel', 'warn']);
    if (!newest('dist/page/index.html')) throw new Failure('the page build left no dist/page/index.html');
}

const parts = { native: buildNative, wasm: buildWasm, package: buildPackage, page: buildPage };

/** Installs what building needs and builds everything. */
export function buildAll() {
    ensureTools('build');
    for (const build of Object.values(parts)) build();
}

if (isMain(import.meta.url)) {
    await main(() => {
        const chosen = process.argv.slice(2);
        const unknown = chosen.find((name) => !parts[name]);
        if (unknown) throw new Failure(`unknown part ${unknown}: take ${Object.keys(parts).join(', ')}`);
        if (!chosen.length) return buildAll();
        ensureTools('build');
        for (const name of chosen) parts[name]();
    });
}
