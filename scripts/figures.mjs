// node scripts/figures.mjs PICTURES [--rates 0.1,0.2,0.4] [--lpips TRUNK,HEADS]
// Measures the photo model on a folder of PNGs and the package in Chromium, and writes the table between the figures marks of
// README.md. LPIPS needs the PyTorch twin (tools/, by $PYTHON or python3) and the feature weights; without --lpips that column
// is left out. Without LPIPS it takes a third of a second of CPU time a picture and rate, and ten seconds for the browser, whose
// figures are CPU times: other work on the machine moves them by some per cent, so run it alone.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './lib/run.mjs';

const { values, positionals: [pictures] } = parseArgs({
    allowPositionals: true,
    options: { rates: { type: 'string', default: '0.1,0.2,0.4' }, lpips: { type: 'string' } },
});
if (!pictures) throw new Error('usage: node scripts/figures.mjs PICTURES [--rates 0.1,0.2,0.4] [--lpips TRUNK,HEADS]');
const native = path.join(root, 'build/native/tesserae');
const run = (command, args, cwd = root) => execFileSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] });
const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));

/** Mean LPIPS of the pictures coded at a rate and decoded. */
function lpips(rate) {
    const folder = mkdtempSync(path.join(tmpdir(), 'tesserae-'));
    try {
        const images = readdirSync(pictures).filter((name) => name.endsWith('.png')).map((name) => path.resolve(pictures, name));
        run(native, ['encode', ...images, '--bpp', String(rate), '-d', folder]);
        run(native, ['decode', ...readdirSync(folder).map((name) => path.join(folder, name)), '-d', folder]);
        const weights = values.lpips.split(',').map((file) => path.resolve(file));
        return Number(run(process.env.PYTHON ?? 'python3', ['-m', 'tesserae.score', path.resolve(pictures), folder, '--lpips', ...weights], path.join(root, 'tools')));
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

const quality = lines(run(native, ['eval', pictures, '--bpp', values.rates, '--json'])).filter((row) => row.images);
const browser = JSON.parse(run('node', ['bench/web/photo.mjs', '--json']));
const head = ['bpp', 'PSNR dB', 'MS-SSIM', ...(values.lpips ? ['LPIPS-squeeze'] : [])];
const text = [
    `Mean over ${quality[0].images} pictures of \`${path.basename(path.resolve(pictures))}\` (never trained on), sizes of whole files:`,
    '',
    `| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`,
    ...quality.map((row) => `| ${[row.meanBpp.toFixed(3), row.psnr.toFixed(2), row.msSsim.toFixed(4),
        ...(values.lpips ? [lpips(row.target).toFixed(3)] : [])].join(' | ')} |`),
    '',
    `In Chromium, one thread (${cpus()[0].model.trim()}; CPU milliseconds, picture in to file out and back):`,
    '',
    '| build | verb | picture | ms |', '|---|---|---|---|',
    ...browser.map((row) => `| ${row.backend} | ${row.verb} | ${row.width}x${row.height} | ${row.cpu.toFixed(0)} |`),
    '',
    'Made by `node scripts/figures.mjs`.',
].join('\n');
const file = path.join(root, 'README.md');
const marks = /(<!-- figures:begin -->\n)[^]*(<!-- figures:end -->)/;
writeFileSync(file, readFileSync(file, 'utf8').replace(marks, (_, begin, end) => `${begin}${text}\n${end}`));
console.log(text);
