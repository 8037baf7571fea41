// node bench/web/photo.mjs [--rounds 7] [--json]
// Encode (quality 60) and decode of the 768x512 sample in Chromium, one thread, the relaxed build and then the simd build. Needs `npm run build` first.

import { parseArgs } from 'node:util';
import { readdirSync } from 'node:fs';
import { withPage } from './lib/browser.mjs';
import { median, table } from './lib/table.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, json: { type: 'boolean', default: false } } });
const sample = `/models/samples/${readdirSync(new URL('../../models/samples', import.meta.url)).filter((name) => name.endsWith('.jpg')).sort()[0]}`;
const rows = [];
for (const backend of ['relaxed', 'simd']) {
    const { times, bytes, width, height } = await withPage('photo.html', (tab) => tab.evaluate((o) => window.bench(o), { rounds: Number(values.rounds), backend, sample }));
    for (const verb of ['encode', 'decode']) {
        rows.push({ backend, verb, width, height, bytes, wall: median(times[verb].map((t) => t[0])), cpu: median(times[verb].map((t) => t[1])) });
    }
}
if (values.json) console.log(JSON.stringify(rows));
else table(['build', 'verb', 'size', 'bytes', 'ms', 'CPU ms'], rows.map((r) => [r.backend, r.verb, `${r.width}x${r.height}`, String(r.bytes), r.wall, r.cpu]));
