// What a visitor downloads: the package's JavaScript (page side and worker) and one core, in brotli bytes, the model apart;
// and publint's check of what would be published.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { Failure, isMain, main, root, run } from './lib/run.mjs';

const limits = { '': 150_000, 'studio-': 200_000 }; // of the JavaScript and the codec core, of the JavaScript and the studio core

const brotli = (name) => brotliCompressSync(readFileSync(path.join(root, name)), { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;

/** Prints the sizes; throws a Failure over the limit, or when publint finds a fault. */
export function measure() {
    const code = brotli('dist/index.js') + brotli('dist/worker.js');
    for (const [kind, limit] of Object.entries(limits)) {
        for (const build of ['simd', 'relaxed']) {
            const name = `dist/tesserae-${kind}${build}.wasm`;
            const core = brotli(name);
            console.log(`JavaScript ${code} + ${name} ${core} = ${code + core} bytes brotli (limit ${limit})`);
            if (code + core > limit) throw new Failure(`the download is ${code + core - limit} bytes over its limit`);
        }
    }
    run('node', ['node_modules/publint/src/cli.js', '.', '--strict']);
}

if (isMain(import.meta.url)) await main(measure);
