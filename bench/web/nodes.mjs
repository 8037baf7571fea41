// node bench/web/nodes.mjs [--net vqgan|taesd|FILE.json] [--build relaxed] [--encoder] [--half] [--side 256] [--rounds 3]
// Half of a net in Chromium, one thread, node by node: least wall milliseconds. The module (bench/nodes.c) is built first.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cmake } from '../../scripts/build.mjs';
import { withPage } from './lib/browser.mjs';
import * as nets from './lib/nets.mjs';
import { table } from './lib/table.mjs';

const { values } = parseArgs({
    options: {
        net: { type: 'string', default: 'vqgan' }, build: { type: 'string', default: 'relaxed' }, side: { type: 'string', default: '256' },
        rounds: { type: 'string', default: '3' }, encoder: { type: 'boolean', default: false }, half: { type: 'boolean', default: false },
    },
});
const config = nets[values.net] ?? JSON.parse(readFileSync(values.net, 'utf8'));
cmake(`wasm-${values.build}`, 'bench-nodes');
const options = { ...values, config, side: Number(values.side), rounds: Number(values.rounds) };
const nodes = await withPage('nodes.html', (tab) => tab.evaluate((o) => window.bench(o), options));
const sums = new Map();
for (const node of nodes) sums.set(group(node), [...(sums.get(group(node)) ?? []), node]);
const total = (list) => list.reduce((sum, n) => sum + n.ms, 0);

/** What a node is counted under: its first two words. */
function group({ name }) {
    return name.split(' ').slice(0, 2).join(' ');
}

table(['node', 'side', 'ms', 'GFLOP/s'], nodes.map((n) => [n.name, String(n.side), n.ms.toFixed(2), n.flops / n.ms * 1e-6]));
table(['all of a kind', 'ms', 'share'], [...sums].map(([name, list]) => [name, total(list).toFixed(1), `${(100 * total(list) / total(nodes)).toFixed(1)} %`]));
console.log(`${total(nodes).toFixed(1)} ms, ${(nodes.reduce((sum, n) => sum + n.flops, 0) / total(nodes) * 1e-6).toFixed(1)} GFLOP/s`);
