// node bench/web/digits.mjs [--seconds 60] [--side 32] [--every 25] [--options '{"steps":1000}'] [--rows]
// A VQ-VAE of 128 codes on the page's digits from scratch, in Chromium, relaxed build, one thread: how soon the held-out digits
// have 20 dB and nine tenths of the codes are in use, by the trainer's window as by the held-out digits alone. Seconds of CPU time of the page, and on the clock. Needs `npm run build`.

import { parseArgs } from 'node:util';
import { withPage } from './lib/browser.mjs';
import { table } from './lib/table.mjs';

const PSNR = 20, USED = 0.9 * 128;
const { values } = parseArgs({ options: {
    seconds: { type: 'string', default: '60' }, side: { type: 'string', default: '32' }, every: { type: 'string', default: '25' },
    options: { type: 'string', default: '{}' }, rows: { type: 'boolean', default: false },
} });
const wanted = { seconds: Number(values.seconds), side: Number(values.side), every: Number(values.every), options: JSON.parse(values.options) };
const { build, rows } = await withPage('digits.html', (tab) => tab.evaluate((o) => window.bench(o), wanted));
const shown = values.rows ? rows : [rows.find((row) => row.psnr >= PSNR && Math.min(row.used, row.held) >= USED), rows.at(-1)].filter(Boolean);
console.log(`${build}, options ${values.options}; reached: ${shown.length > 1 || values.rows ? 'first row' : 'never'}`);
table(['step', 'CPU s', 's', 'PSNR held out', 'PSNR train', 'codes used', 'held-out uses'],
    shown.map((row) => [row.step, row.cpu, row.wall, row.psnr, row.train, row.used, row.held]));
