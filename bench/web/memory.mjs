// node bench/web/memory.mjs [--features NET.safetensors HEADS.safetensors]
// How large the core's memory grows while it trains the photo preset on 128x128 crops, batch 8: alone, with an adversary, and
// with LPIPS. Needs `npm run build` first.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { trainerConfig } from '../../web/config.js';
import { Core } from '../../web/core.js';
import { addImage, checkpoint, createTrainer, train } from '../../web/trainer-core.js';
import { randomFloats } from './lib/numbers.mjs';
import { table } from './lib/table.mjs';

const STEPS = 3;
const { values, positionals } = parseArgs({ options: { features: { type: 'boolean', default: false } }, allowPositionals: true });
const picture = { data: Uint8Array.from(randomFloats(160 * 160 * 3, 127), (v) => v + 128), width: 160, height: 160, channels: 3 };
const module = await WebAssembly.compile(await readFile(new URL('../../dist/tesserae-studio-simd.wasm', import.meta.url)));
const [net, heads] = values.features ? await Promise.all(positionals.map((name) => readFile(name))) : [];

/** Megabytes of a new core after a checkpoint and some steps in which every part of the config is in use. */
async function megabytes(options, features) {
    const core = await Core.create(module);
    const config = trainerConfig({ size: 128, batch: 8, steps: 1000, ...options }, [picture]);
    config.train.quantize_from = 0;
    if (features) Object.assign(config.train.loss, { lpips: 0.25, lpips_from: 0 });
    createTrainer(core, { config, features });
    for (let i = 0; i < 4; i++) addImage(core, picture, false);
    let last;
    for (const figures of train(core, { steps: STEPS, every: 1 }, () => false)) last = figures;
    if (last.skipped || (options.adversarial && last.phase !== 2)) throw new Error(`not the steps that were meant: ${JSON.stringify(last)}`);
    checkpoint(core);
    return core.memory.buffer.byteLength / 1e6;
}

const adversarial = { from: 1 };
const rows = [['image losses', {}], ['and an adversary', { adversarial }], ['and LeCam, R1, features', { adversarial: { ...adversarial, r1: 1, r1_every: 1, lecam: 0.01, features: 1 } }],
    ['not frozen', { adversarial: { ...adversarial, freeze: false } }]];
const found = [];
for (const [name, options] of rows) found.push([name, await megabytes(options), net ? await megabytes(options, { net, heads }) : '']);
table(['trains', 'MB', 'MB with LPIPS'], found);
