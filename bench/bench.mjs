// npm run bench -- [--only SUBSTR] [--with KEY,KEY] [--rounds 3] [--quick] [--built] [--json FILE]
// Times Tesserae and its peers in one run and prints one table: layers, whole nets, the photo codec, a training step, memory. All
// share one Chromium (onnxruntime-web, TensorFlow.js; the native ones run beside it), the same weights and inputs, and take turns.
// --with: these columns only (such as relaxed,native). Installs the peers (bench/web/package.json) and builds
// what is missing first, unless --built says that all is there.

import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildPackage, buildWasm, cmake } from '../scripts/build.mjs';
import { Failure, isMain, main, root, run, say } from '../scripts/lib/run.mjs';

const usage = 'npm run bench -- [--only SUBSTR] [--with KEY,KEY] [--rounds N] [--quick] [--built] [--json FILE]';

/** The command's options; throws a Failure that tells the usage. */
export function parse(args) {
    let values;
    try {
        ({ values } = parseArgs({
            args,
            options: { only: { type: 'string', default: '' }, with: { type: 'string' }, rounds: { type: 'string' }, quick: { type: 'boolean', default: false }, built: { type: 'boolean', default: false }, json: { type: 'string' } },
        }));
    } catch (error) {
        throw new Failure(`${error.message}\nusage: ${usage}`);
    }
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
    if (!Number.isInteger(rounds) || rounds < 1) throw new Failure(`--rounds ${values.rounds}: take a whole number from 1`);
    return { ...values, with: values.with?.split(','), rounds, slice: values.quick ? 100 : 250 };
}

/** Rows whose name contains the word; none is a mistake of the caller's. */
export function choose(rows, word) {
    const chosen = rows.filter(({ name }) => name.toLowerCase().includes(word.toLowerCase()));
    if (!chosen.length) throw new Failure(`--only ${word}: no row has that in its name; there are ${rows.map(({ name }) => name).join(', ')}`);
    return chosen;
}

function install() {
    const here = path.join(root, 'bench/web');
    if (['@tensorflow/tfjs', 'onnxruntime-web', 'onnxruntime-node'].every((name) => existsSync(path.join(here, 'node_modules', name)))) return;
    say('installing the peers (onnxruntime, TensorFlow.js; 750 MB) into bench/web/node_modules');
    run('npm', ['install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'], { cwd: here });
}

function build() {
    buildWasm();
    buildPackage();
    cmake('release', 'turn');
    for (const preset of ['wasm-relaxed', 'wasm-simd']) cmake(preset, 'bench-layers');
}

/** The machine, for those who read the figures later. */
function machine(chromium) {
    const model = cpus()[0].model.trim(), commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
    return { cpu: model, cores: cpus().length, chromium, node: process.version, commit, date: new Date().toISOString().slice(0, 10) };
}

async function bench(options) {
    const { rows, trainRow, memoryRow, runRows } = await import('./web/lib/rows.mjs');
    const chosen = choose([...rows, trainRow, memoryRow], options.only);
    install();
    if (!options.built) build();
    const began = performance.now();
    const report = await runRows(chosen, { ...options, say: (text) => say(`${((performance.now() - began) / 1000).toFixed(0)} s: ${text}`) });
    Object.assign(report, { machine: machine(report.chromium), seconds: Math.round((performance.now() - began) / 1000) });
    const { print } = await import('./web/lib/report.mjs');
    print(report);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
}

if (isMain(import.meta.url)) await main(() => bench(parse(process.argv.slice(2))));
