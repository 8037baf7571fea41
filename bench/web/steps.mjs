// node bench/web/steps.mjs [--rounds 7] [--steps 20] [--width 32] [--discriminator '{"width":32}']
// What a discriminator adds to a training step: 64x64 crops, batch 8, the small preset, Chromium, relaxed build, one thread.
// Medians of CPU time, in turns. Needs `npm run build` first.

import { parseArgs } from 'node:util';
import { withPage } from './lib/browser.mjs';
import { median, table } from './lib/table.mjs';

const { values } = parseArgs({ options: {
    rounds: { type: 'string', default: '7' }, steps: { type: 'string', default: '20' }, width: { type: 'string', default: '32' }, discriminator: { type: 'string', default: '{}' },
} });
const options = { rounds: Number(values.rounds), steps: Number(values.steps), width: Number(values.width), discriminator: JSON.parse(values.discriminator) };
const times = await withPage('steps.html', (tab) => tab.evaluate((o) => window.bench(o), options));
const [[, base]] = Object.entries(times);
table(['step', 'CPU ms', 'times'], Object.entries(times).map(([name, list]) => [name, median(list), (median(list) / median(base)).toFixed(2)]));
