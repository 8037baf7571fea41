// Runs rows: one Chromium for all of them.

import { withBrowser } from './browser.mjs';
import { exactSamples, prepare, rows } from './cases.mjs';
import { chooseFor, contestants, nativePeak } from './contestants.mjs';
import { median } from './table.mjs';
import { compareSamples, takeTurns } from './turns.mjs';
import { macs as trainMacs, shape as trainShape } from './vqvae.mjs';

export { rows };
/** One step of the VQ-VAE of vqvae.mjs; TensorFlow.js with the filter gradient that its wasm backend lacks. */
export const trainRow = { kind: 'train', name: 'training step 64x64 batch 8', bars: { tfjs: 5 } };
export const memoryRow = { kind: 'memory', name: 'memory, VQGAN f16 decoder 512x512', bars: {}, limit: 700e6 };

/** Pixels of ours are bytes; the peers' stand for bytes. */
const asBytes = (values) => values.map((v) => Math.max(0, Math.min(255, Math.round((v + 1) * 127.5))));

async function runNet(row, all, options) {
    const task = prepare(row);
    const results = await takeTurns(chooseFor(row.kind, all, options.with), task, { ...options, say: (text) => options.say(`${row.name}, ${text}`) });
    let reference = row.kind === 'layer' ? exactSamples(task) : results['ort-node']?.sample;
    if (row.kind === 'net' && row.part === 'decoder' && reference) {
        for (const key in results) if (/ort|tfjs/.test(key) && results[key].sample) results[key].sample = asBytes(results[key].sample);
        reference = asBytes(reference);
    }
    compareSamples(results, reference);
    return { name: row.name, kind: row.kind, macs: task.macs, bars: row.bars, results };
}

async function runTraining(row, open, { rounds, say }) {
    say(row.name);
    const tab = await open('train.html'), times = await tab.evaluate((o) => window.bench(o), { rounds });
    await tab.close();
    const results = Object.fromEntries(Object.entries(times).map(([name, list]) => [name === 'simd128' ? 'simd' : name,
        { wall: median(list.map((t) => t.wall)), cpu: median(list.map((t) => t.cpu)), least: Math.min(...list.map((t) => t.wall)) }]));
    return { name: row.name, kind: row.kind, macs: trainMacs(trainShape), bars: row.bars, results };
}

async function runMemory(row, open, { say }) {
    say(row.name);
    const task = prepare({ ...rows.find(({ verb }) => verb === 'detokenize'), name: 'VQGAN f16 decoder 512x512', shape: { channels: 256, height: 32, width: 32 }, pixels: { width: 512, height: 512 } });
    const tab = await open('ours.html'), results = {};
    try {
        results.relaxed = { bytes: await tab.evaluate((t) => window.bench.memory(t, { build: 'relaxed', threads: 1 }), task) };
    } catch (error) {
        results.relaxed = { error: error.message.split('\n')[0] };
    }
    await tab.close();
    return { name: row.name, kind: row.kind, bars: {}, limit: row.limit, results };
}

/** Runs the rows; { chromium, peaks (GFLOP/s in registers by contestant), rows: [{ name, kind, macs, bars, results }] }. */
export function runRows(chosen, options) {
    return withBrowser(async (open, chromium) => {
        const tab = await open('peak.html'), peaks = await tab.evaluate(() => window.bench());
        await tab.close();
        const peak = nativePeak();
        const report = { chromium, peaks: { ...peaks, native: peak.peak }, backend: peak.backend, rows: [] };
        const all = contestants(open);
        try {
            for (const row of chosen) {
                const how = { train: runTraining, memory: runMemory }[row.kind];
                report.rows.push(await (how ? how(row, open, options) : runNet(row, all, options)));
            }
        } finally {
            for (const one of Object.values(all)) await one.close();
        }
        return report;
    });
}
