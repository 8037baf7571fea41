// node bench/web/train.mjs [--rounds 5] [--json]
// One training step of a 64x64, batch 8 VQ-VAE in Chromium, one thread: Tesserae (relaxed and simd128 builds) and
// TensorFlow.js' wasm backend with the filter gradient it lacks supplied, in turns. Needs `npm run build` first.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withPage } from './lib/browser.mjs';
import { median, table } from './lib/table.mjs';
import { macs, shape } from './lib/vqvae.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } } });
const here = fileURLToPath(new URL('.', import.meta.url));
if (!existsSync(`${here}node_modules/@tensorflow/tfjs`)) {
    console.error('installing the peers (TensorFlow.js) into bench/web/node_modules');
    execFileSync('npm', ['install', '--ignore-scripts', '--no-package-lock'], { cwd: here, stdio: 'inherit' });
}
const times = await withPage('train.html', (tab) => tab.evaluate((o) => window.bench(o), { rounds: Number(values.rounds) }));
const result = Object.entries(times).map(([name, list]) => ({ name, wall: median(list.map((t) => t.wall)), cpu: median(list.map((t) => t.cpu)) }));
const peer = result.find((row) => row.name === 'tfjs');
if (values.json) console.log(JSON.stringify(result));
else {
    table(['build', 'ms/step', 'CPU ms', 'GFLOP/s', 'times tfjs (CPU)'],
        result.map((row) => [row.name, row.wall, row.cpu, 2 * macs(shape) / row.cpu / 1e6, (peer.cpu / row.cpu).toFixed(2)]));
}
