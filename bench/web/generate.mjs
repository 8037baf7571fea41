// node bench/web/generate.mjs [--rounds 7] [--json]
// One 64x64 face from a prompt by the avatars model: 12 steps, without and with guidance, decoded; Chromium, one thread. Needs `npm run build` first.

import { parseArgs } from 'node:util';
import { withPage } from './lib/browser.mjs';
import { median, table } from './lib/table.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, json: { type: 'boolean', default: false } } });
const prompt = 'cartoon face, brown skin, long red hair, glasses, light blue background';
const rows = [];
for (const backend of ['relaxed', 'simd']) {
    for (const guidance of [0, 1]) {
        const times = await withPage('generate.html', (tab) => tab.evaluate((o) => window.bench(o), { rounds: Number(values.rounds), backend, prompt, guidance, steps: 12 }));
        rows.push({ backend, guidance, wall: median(times.map((t) => t[0])), cpu: median(times.map((t) => t[1])) });
    }
}
if (values.json) console.log(JSON.stringify(rows));
else table(['build', 'guidance', 'ms', 'CPU ms'], rows.map((r) => [r.backend, String(r.guidance), r.wall, r.cpu]));
