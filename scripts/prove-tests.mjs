// Proves that the tests can fail: in a copy of the sources, one fault at a time is put in, and its test must go red.
// The same copy without a fault must be green first, so that red means the fault.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, isMain, main, root, run, start } from './lib/run.mjs';

/** Each fault: the file, the text that stands there once, what replaces it, and the CTest programs that must notice. */
const faults = [
    {
        what: 'a CRC over another polynomial', tests: ['test-base-bytes'],
        file: 'src/base/hash.c', from: '0xEDB88320, 0xF00F9344', to: '0xEDB88321, 0xF00F9344',
    },
    {
        what: 'a bias subtracted instead of added', tests: ['test-kernels-gemm'],
        file: 'src/kernels/gemm.c', from: 'start[j] = g->bias[first + j]', to: 'start[j] = -g->bias[first + j]',
    },
    {
        what: 'a wrong derivative of SiLU', tests: ['test-graph-gradient'],
        file: 'src/kernels/act.c', from: 'vf_mul(d, vf_silu_slope(v))', to: 'vf_mul(d, vf_silu(v))',
    },
    {
        what: 'work tiles without their halo on the left and top', tests: ['test-engine-codec'],
        file: 'src/engine/net.c', from: 'begin <= halo ? 0 : begin - halo', to: 'begin',
    },
    {
        what: 'a mixer that learns twice as fast (encoder and decoder alike)', tests: ['test-engine-golden'],
        file: 'src/codec/context.h', from: '+ (1 << 19)) >> 20', to: '+ (1 << 18)) >> 19',
    },
    {
        what: 'a pickle that may name anything', tests: ['test-io-torch'],
        file: 'src/io/pickle_call.c', from: 'if (!same) continue;', to: 'if (!same && i + 1 < sizeof names / sizeof *names) continue;',
    },
    {
        what: 'decoder levels of a VQGAN run from the wrong end', tests: ['test-engine-import'],
        file: 'src/engine/import_vqgan.c', from: 's->lowest_last ? levels - 1 - i : i', to: 'i',
    },
    {
        what: 'an inpainter that writes where nothing is masked', tests: ['test-engine-inpainter'],
        file: 'src/engine/inpaint_job.c', from: 'if (!*open++) continue;', to: 'open++;',
    },
    {
        what: 'exemplars chosen by the worst match', tests: ['test-engine-exemplar'],
        file: 'src/engine/exemplar.c', from: 'scores[i] >= scores[best[count - 1]]', to: 'scores[i] < scores[best[count - 1]]',
    },
    {
        what: 'places of a step that see each other', tests: ['test-engine-sampler_levels'],
        file: 'src/engine/sampler_levels.c', from: 's->masked -= count;', to: 's->masked -= count; for (int k = 0; k < count; k++) s->known[places[k]]++;',
    },
    {
        what: 'sharp tiles without room for the filters', tests: ['test-engine-upscaler'],
        file: 'src/engine/upscale_job.c', from: 'return u->options.factor / 2;', to: 'return u->options.factor / 2 - 1;',
    },
    {
        what: 'a part that any model takes', tests: ['test-engine-model_part'],
        file: 'src/nets/config_part.c', from: 'if (made_for == fingerprint) return TESS_OK;', to: 'return TESS_OK;',
    },
    {
        what: 'a second attempt that draws another batch', tests: ['test-engine-trainer_guard'],
        file: 'src/engine/trainer_step.c', from: '        t->data_rng = data_rng;\n', to: '',
    },
    {
        what: 'codes that keep their training order when they are sealed', tests: ['test-engine-trainer_seal'],
        file: 'src/engine/trainer_seal.c', from: '    take_codes(t);\n', to: '',
    },
];

const copy = path.join(root, 'build/prove/checkout');
const built = path.join(root, 'build/prove/build');

/** Builds some tests of the copy and runs them; true if all pass. A copy that doesn't compile proves nothing. */
async function green(tests) {
    run('cmake', ['--build', built, '--target', ...tests], { quiet: true });
    const { status } = await start('ctest', ['--test-dir', built, '-R', `^(${tests.join('|')})$`, '--no-tests=error', '--timeout', '120', '-j2']);
    return status === 0;
}

/** Runs all faults; throws a Failure naming those that no test noticed. */
export async function proveTests() {
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(copy, { recursive: true });
    for (const name of ['CMakeLists.txt', 'cmake', 'include', 'src', 'tests', 'models']) {
        if (existsSync(path.join(root, name))) cpSync(path.join(root, name), path.join(copy, name), { recursive: true, preserveTimestamps: true });
    }
    run('cmake', ['-S', copy, '-B', built, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=None', '-DCMAKE_C_FLAGS=-O1', '-DTESSERAE_SIMD=sse4.1', '-DTESSERAE_BENCH=OFF'], { quiet: true });
    const tests = [...new Set(faults.flatMap((fault) => fault.tests))];
    if (!(await green(tests))) throw new Failure('the tests fail without any fault put in');
    const unseen = [];
    for (const { what, file, from, to, tests: watching } of faults) {
        const full = path.join(copy, file);
        const text = readFileSync(full, 'utf8');
        if (text.split(from).length !== 2) throw new Failure(`${file} doesn't hold exactly one "${from}": bring scripts/prove-tests.mjs up to date`);
        writeFileSync(full, text.replace(from, () => to));
        const missed = await green(watching);
        writeFileSync(full, text);
        console.log(`${missed ? 'NOT SEEN' : 'seen'}: ${what} (${file})`);
        if (missed) unseen.push(what);
    }
    if (unseen.length) throw new Failure(`no test noticed: ${unseen.join('; ')}`);
}

if (isMain(import.meta.url)) await main(proveTests);
