// node bench/web/layers.mjs [--builds relaxed,simd] [--rounds 3] [--ms 400] [--only WORD] [--json]
// One layer at a time in Chromium, one thread; builds take turns. The modules (bench/layers.c) are built first.

import { parseArgs } from 'node:util';
import { cmake } from '../../scripts/build.mjs';
import { withPage } from './lib/browser.mjs';
import { median, table } from './lib/table.mjs';

export const kinds = { forward: 0, data: 1, weight: 2, pack: 3 };
export const flags = { upsample: 1, norm: 2, add: 4, silu: 8, halves: 16, direct: 32 };

/** [name, kind, in, out, height, width, kernel, stride, batch, flags] */
export const rows = [
    ['3x3 128->128@256', 0, 128, 128, 256, 256, 3, 1, 1, 0],
    ['3x3 256->256@64', 0, 256, 256, 64, 64, 3, 1, 1, 0],
    ['3x3 512->512@16', 0, 512, 512, 16, 16, 3, 1, 1, 0],
    ['3x3 512->512@16 f16', 0, 512, 512, 16, 16, 3, 1, 1, flags.halves],
    ['3x3 64->64@128', 0, 64, 64, 128, 128, 3, 1, 1, 0],
    ['3x3 32->32@256', 0, 32, 32, 256, 256, 3, 1, 1, 0],
    ['3x3 128->128@256 norm,add', 0, 128, 128, 256, 256, 3, 1, 1, flags.norm | flags.add],
    ['up 128->128@256', 0, 128, 128, 256, 256, 3, 1, 1, flags.upsample],
    ['up 512->512@32', 0, 512, 512, 32, 32, 3, 1, 1, flags.upsample],
    ['3x3 3->64@256', 0, 3, 64, 256, 256, 3, 1, 1, 0],
    ['3x3 128->3@256', 0, 128, 3, 256, 256, 3, 1, 1, 0],
    ['1x1 256->256@64', 0, 256, 256, 64, 64, 1, 1, 1, 0],
    ['1x1 512->512@16', 0, 512, 512, 16, 16, 1, 1, 1, 0],
    ['3x3 128->128@16 x16', 0, 128, 128, 16, 16, 3, 1, 16, 0],
    ['data 128->128@16 x16', 1, 128, 128, 16, 16, 3, 1, 16, 0],
    ['weight 128->128@16 x16', 2, 128, 128, 16, 16, 3, 1, 16, 0],
    ['data 64->64@32 x16', 1, 64, 64, 32, 32, 3, 1, 16, 0],
    ['weight 64->64@32 x16', 2, 64, 64, 32, 32, 3, 1, 16, 0],
    ['weight 32->32@32 x16', 2, 32, 32, 32, 32, 3, 1, 16, 0],
    ['weight 96->64@64 x8', 2, 96, 64, 64, 64, 3, 1, 8, 0],
    ['weight 128->128@64 x8', 2, 128, 128, 64, 64, 3, 1, 8, 0],
    ['pack 512->512', 3, 512, 512, 64, 64, 3, 1, 1, 0],
];

/** Times rows of the page; one result per row and build: medians and least wall milliseconds, CPU milliseconds, GFLOP/s of the CPU time. */
export async function timeLayers(chosen, { builds = ['relaxed', 'simd'], rounds = 3, ms = 400 } = {}) {
    for (const build of builds) cmake(`wasm-${build}`, 'bench-layers');
    const { peaks, results } = await withPage('layers.html', (tab) => tab.evaluate((o) => window.bench(o), { builds, rows: chosen, rounds, ms }));
    return {
        peaks,
        results: results.map((r) => {
            const cpu = median(r.cpu), wall = median(r.slices), least = Math.min(...r.slices);
            return { name: r.name, build: r.build, cpu, wall, least, gflops: r.flops / (cpu || wall) / 1e6, checksum: r.checksum };
        }),
    };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
    const { values } = parseArgs({
        options: {
            builds: { type: 'string', default: 'relaxed,simd' }, rounds: { type: 'string', default: '3' }, ms: { type: 'string', default: '400' },
            only: { type: 'string', default: '' }, json: { type: 'boolean', default: false },
        },
    });
    const chosen = rows.filter(([name]) => String(name).includes(values.only));
    const { peaks, results } = await timeLayers(chosen, { builds: values.builds.split(','), rounds: Number(values.rounds), ms: Number(values.ms) });
    if (values.json) console.log(JSON.stringify({ peaks, results }));
    else {
        for (const [build, rate] of Object.entries(peaks)) console.log(`${build}: ${rate.toFixed(1)} GFLOP/s in registers`);
        table(['layer', 'build', 'CPU ms', 'wall ms', 'least ms', 'GFLOP/s', 'of peak'],
            results.map((r) => [r.name, r.build, r.cpu.toFixed(2), r.wall.toFixed(2), r.least.toFixed(2), r.gflops, (r.gflops / peaks[r.build]).toFixed(2)]));
    }
}
