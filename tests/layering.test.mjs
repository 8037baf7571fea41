// Dependencies point down only, and a few rules that a reader would otherwise have to check by eye.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sources } from '../scripts/lib/files.mjs';
import { root } from '../scripts/lib/run.mjs';

/** What each folder of src/ may include besides itself and include/tesserae.h. */
const below = {
    base: [],
    simd: [],
    kernels: ['base', 'simd'],
    graph: ['base', 'simd', 'kernels'],
    nets: ['base', 'simd', 'kernels', 'graph'],
    codec: ['base', 'simd'],
    io: ['base'],
    engine: ['base', 'simd', 'kernels', 'graph', 'nets', 'codec', 'io'],
    cli: ['base', 'io'], // all else through include/tesserae.h
};

/** Files that may look further down than their folder, and why. */
const deeper = {
    'src/cli/bench.c': ['engine', 'kernels'], // times the parts themselves
};

/** The arrows of C files ({ path: text }) that point up or out, as sentences. */
export function upwardIncludes(files) {
    const faults = [];
    for (const [name, text] of Object.entries(files)) {
        const own = name.split('/')[1];
        for (const [, included] of text.matchAll(/^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/gm)) {
            const near = path.posix.join(path.posix.dirname(name), included);
            const [top, folder] = (near in files ? near : path.posix.join('src', included)).split('/');
            if (included === 'tesserae.h' || included.endsWith('/tesserae.h')) continue;
            if (top !== 'src' || (folder !== own && ![...(below[own] ?? []), ...(deeper[name] ?? [])].includes(folder))) faults.push(`${name} includes ${included}`);
        }
    }
    return faults;
}

/** The arrows of JavaScript files that point the wrong way: the package knows nothing of the page, and the page and the
 * command line use only the package's public files. */
export function wrongImports(files) {
    const faults = [];
    for (const [name, text] of Object.entries(files)) {
        for (const [, from] of text.matchAll(/\b(?:from|import|new URL)\s*\(?\s*['"]([^'"]+)['"]/g)) {
            if (!from.startsWith('.')) continue;
            const target = path.posix.join(path.posix.dirname(name), from.replace(/\?.*$/, ''));
            const page = name.startsWith('web/demo/');
            if (page && !target.startsWith('web/demo/') && !/^(web\/(index\.js|types(\.d\.ts)?)$|models\/|package\.json$)/.test(target)) faults.push(`${name} imports ${from}`);
            if (!page && (target.startsWith('web/demo/') || /^(tests|scripts|bench)\//.test(target))) faults.push(`${name} imports ${from}`);
        }
    }
    return faults;
}

const read = (pattern) => Object.fromEntries(sources(pattern).map((name) => [name, readFileSync(path.join(root, name), 'utf8')]));

test('C includes point down only', () => {
    const files = read(/^src\/.*\.[ch]$/);
    assert.ok(Object.keys(files).length > 10);
    assert.deepEqual(upwardIncludes(files), []);
});

test('the C check sees arrows that point up', () => {
    const files = {
        'src/base/a.c': '#include "base/a.h"\n#include "kernels/gemm.h"\n',
        'src/codec/b.c': '  #  include "../graph/graph.h"\n#include <math.h>\n#include "tesserae.h"\n',
        'src/graph/graph.h': '#include "kernels/gemm.h"\n',
        'src/cli/c.c': '#include "engine/engine.h"\n#include "../tests/test.h"\n',
    };
    assert.deepEqual(upwardIncludes(files), [
        'src/base/a.c includes kernels/gemm.h',
        'src/codec/b.c includes ../graph/graph.h',
        'src/cli/c.c includes engine/engine.h',
        'src/cli/c.c includes ../tests/test.h',
    ]);
});

test('JavaScript imports point down only', () => {
    const files = read(/^(web|bin)\/.*\.(js|mjs|jsx)$/);
    assert.ok(Object.keys(files).length > 3);
    assert.deepEqual(wrongImports(files), []);
});

test('the JavaScript check sees arrows that point the wrong way', () => {
    const files = {
        'web/core.js': "import { a } from './protocol.js';\nimport b from './demo/src/b.js';\n",
        'web/demo/src/app.js': "import { createCodec } from '../../index.js';\nimport {\n    x,\n} from '../../core.js';\nconst w = new URL('../../worker.js', import.meta.url);\nimport './style.css';\n",
        'bin/tesserae.js': "import '../scripts/build.mjs';\nimport { readFile } from 'node:fs/promises';\n",
    };
    assert.deepEqual(wrongImports(files), [
        'web/core.js imports ./demo/src/b.js',
        'web/demo/src/app.js imports ../../core.js',
        'web/demo/src/app.js imports ../../worker.js',
        'bin/tesserae.js imports ../scripts/build.mjs',
    ]);
});

test('instruction sets are named in src/simd alone', () => {
    const named = /\b(_mm\d*_|__m(128|256|512)|__AVX|__SSE|__ARM_NEON|__wasm_|wasm_[a-z]\d+x\d+_|v128_t|float32x4_t|immintrin|wasm_simd128)/;
    const faults = Object.entries(read(/^src\/(?!simd\/).*\.[ch]$/)).filter(([, text]) => named.test(text));
    assert.deepEqual(faults.map(([name]) => name), []);
});

test('the library prints nothing, never ends the program and has one allocator', () => {
    const files = read(/^src\/(?!cli\/).*\.[ch]$/);
    const used = (name, pattern) => pattern.test(files[name].replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\\n]|\\.)*"/g, ''));
    const names = Object.keys(files);
    assert.deepEqual(names.filter((name) => used(name, /\b(f?printf|puts|putchar|perror|abort|_?exit)\s*\(/)), []);
    assert.deepEqual(names.filter((name) => used(name, /\b(malloc|calloc|realloc|aligned_alloc|free)\s*\(/)), ['src/base/alloc.c']);
});

test('no source file is over 600 lines', () => {
    const files = read(/^(include|src|tests|bench|web|scripts|bin|tools)\/.*\.(c|h|js|jsx|mjs|ts|py|css)$/);
    const long = Object.entries(files).filter(([, text]) => text.split('\n').length > 601);
    assert.deepEqual(long.map(([name]) => name), []);
});
