// Runs every test. Installs and builds what is missing first; goes on after a failed stage, and exits non-zero if any failed.
//   npm test                  all stages
//   npm test -- web native    only these stages

import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { buildAll, cmake } from './build.mjs';
import { lint } from './lint.mjs';
import { proveTests } from './prove-tests.mjs';
import { ensureTools } from './setup.mjs';
import { measure } from './size.mjs';
import { sources } from './lib/files.mjs';
import { Failure, main, root, run, say, start } from './lib/run.mjs';

const fuzzSeconds = Number(process.env.TESSERAE_FUZZ_SECONDS ?? 30);
const fuzzSeed = process.env.TESSERAE_FUZZ_SEED ?? '1'; // the same walk every time; 0 takes a new one, for long hunts

/** Builds all of a preset and runs its CTest programs. */
function ctest(preset) {
    cmake(preset);
    run('ctest', ['--preset', preset]);
}

/** Every fuzzer for a while, two at a time, from the kept corpus; what they find of interest stays under build/. */
async function fuzz() {
    cmake('fuzz');
    const queue = sources(/^tests\/fuzz\/fuzz_[^/]*\.c$/).map((name) => path.basename(name, '.c'));
    if (!queue.length) throw new Failure('there is no fuzzer in tests/fuzz');
    const faults = [];
    const work = async () => {
        for (let name = queue.shift(); name; name = queue.shift()) {
            const found = path.join('build/fuzz/corpus', name);
            mkdirSync(path.join(root, found), { recursive: true });
            const kept = path.join('tests/fuzz/corpus', name.replace(/^fuzz_/, ''));
            const corpus = [found, ...(existsSync(path.join(root, kept)) ? [kept] : [])];
            const limits = [`-seed=${fuzzSeed}`, `-max_total_time=${fuzzSeconds}`, '-timeout=20', '-rss_limit_mb=3000', '-artifact_prefix=build/fuzz/'];
            const { status, output } = await start(path.join('build/fuzz', name), [...limits, '-print_final_stats=1', ...corpus]);
            const runs = output.match(/number_of_executed_units: *(\d+)/)?.[1] ?? '?';
            const cover = [...output.matchAll(/ cov: (\d+)/g)].pop()?.[1] ?? '?';
            console.log(`${name}: ${status === 0 ? 'ok' : 'FAILED'}, ${runs} inputs, ${cover} edges`);
            if (status !== 0 || !(Number(runs) > 0)) faults.push(`${name}:\n${output.slice(-6000)}`);
        }
    };
    await Promise.all([work(), work()]);
    if (faults.length) throw new Failure(faults.join('\n'));
}

/** node --test over every *.test.mjs; page tests drive Chromium. */
function nodeTests() {
    const files = sources(/^tests\/.*\.test\.mjs$/);
    const jobs = Math.max(1, Math.min(2, availableParallelism()));
    run('node', ['--test', '--test-reporter=spec', `--test-concurrency=${jobs}`, ...files]);
}

/** The stages in order: quick ones and those that other stages build on first; node's runner, whose totals end the output, last. */
const stages = {
    build: buildAll,
    lint,
    native: () => ctest('release'),
    sanitizers: () => ctest('asan'),
    'wasm-simd': () => ctest('wasm-simd'),
    'wasm-relaxed': () => ctest('wasm-relaxed'),
    prove: proveTests,
    fuzz,
    size: measure,
    web: nodeTests,
};

await main(async () => {
    const chosen = process.argv.slice(2);
    const unknown = chosen.find((name) => !stages[name]);
    if (unknown) throw new Failure(`unknown stage ${unknown}: take ${Object.keys(stages).join(', ')}`);
    const names = Object.keys(stages).filter((name) => !chosen.length || chosen.includes(name));
    const began = performance.now();
    ensureTools('build', 'test');
    const times = [`set-up ${((performance.now() - began) / 1000).toFixed(0)} s`];
    const failed = [];
    for (const name of names) {
        if (name === names.at(-1) && times.length > 1) say(`times so far: ${times.join(', ')}`);
        console.log(`\n== ${name} ==`);
        const from = performance.now();
        try {
            await stages[name]();
        } catch (error) {
            failed.push(name);
            console.error(error instanceof Failure ? error.message : error);
            if (name === 'build') break;
        }
        times.push(`${name} ${((performance.now() - from) / 1000).toFixed(0)} s`);
        if (name !== names.at(-1)) say(`${name}: ${failed.includes(name) ? 'FAILED' : 'ok'}, ${times.at(-1).split(' ')[1]} s`);
    }
    if (failed.length) throw new Failure(`failed: ${failed.join(', ')} (${times.join(', ')})`);
});
