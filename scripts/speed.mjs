// node scripts/speed.mjs RUN.json
// Writes what `npm run bench -- --json RUN.json` measured between the bench marks of docs/SPEED.md and, in short, of README.md.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { msOf, shareOf, verdicts } from '../bench/web/lib/report.mjs';
import { Failure, isMain, main, root } from './lib/run.mjs';

const names = { relaxed: 'relaxed', simd: 'simd128', 'ort-web': 'onnxruntime-web', tfjs: 'TensorFlow.js wasm', native: 'native', 'ort-node': 'onnxruntime-node' };
const number = (value) => (Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '-');
const table = (head, rows) => [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows.map((row) => `| ${row.join(' | ')} |`)];
const title = (key) => { const [name, many] = key.split(' '); return `${names[name]}${many ? ` ${many.replace('T', ' threads').replace('W', ' workers').replace('C', ' codecs, a call each')}` : ''}`; };

const best = ({ results }) => Math.min(...['ort-web', 'tfjs'].map((key) => msOf(key, results[key])).filter(Number.isFinite));

function where({ cpu, cores, chromium, commit, date }, peaks) {
    return `${date}, commit ${commit}: ${cores} cores of ${cpu}, Chromium ${chromium}; multiply-adds in registers: relaxed ${number(peaks.relaxed)}, simd128 ${number(peaks.simd)}, native ${number(peaks.native)} GFLOP/s.`;
}

/** The whole table, as lines of markdown. */
export function whole({ machine, peaks, backend, rows }) {
    const timed = rows.filter(({ kind }) => kind !== 'memory'), single = Object.keys(names), peers = timed.filter(({ macs }) => macs);
    const double = [...new Set(timed.flatMap(({ results }) => Object.keys(results)))].filter((key) => !single.includes(key));
    return [
        where(machine, peaks), '',
        `CPU milliseconds per call, one thread (native: ${backend}):`, '',
        ...table(['', ...single.map(title), 'relaxed, times the faster WebAssembly peer'],
            timed.map((row) => [row.name, ...single.map((key) => number(msOf(key, row.results[key]))), number(best(row) / msOf('relaxed', row.results.relaxed))])), '',
        'Share of the peak in registers (multiply-adds counted as the direct form has them, so fewer multiplications can pass 100 %):', '',
        ...table(['', ...single.map(title)], peers.map(({ name, macs, results }) => [name, ...single.map((key) => {
            const like = key === 'ort-node' ? 'native' : key.startsWith('ort') || key === 'tfjs' ? 'simd' : key, share = shareOf(key, results[key], macs, { ...peaks, [key]: peaks[like] });
            return Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : '-';
        })])), '',
        'Wall milliseconds per call, two threads (workers: two, without shared memory):', '',
        ...table(['', ...double.map(title)], timed.filter(({ results }) => double.some((key) => results[key])).map(({ name, results }) => [name, ...double.map((key) => number(msOf(key, results[key])))])), '',
        ...table(['', 'what', 'got', 'bar', ''], timed.flatMap((row) => verdicts(row).map(({ what, got, bar, met }) => [row.name, what, got === null ? '-' : number(got), bar, met === null ? 'not measured' : met ? 'met' : 'missed']))), '',
        ...rows.filter(({ kind }) => kind === 'memory').map(({ name, results, limit }) => `${name}: ${number(results.relaxed.bytes / 1e6)} MB of WebAssembly memory (bar ${limit / 1e6}).`),
    ];
}

/** What a reader of README wants: nets and the training step, in a page, on one thread. */
export function brief({ machine, peaks, rows }) {
    const keys = ['relaxed', 'ort-web', 'tfjs'];
    const shown = rows.filter(({ kind, results }) => (kind === 'net' || kind === 'train') && keys.slice(1).some((key) => Number.isFinite(msOf(key, results[key]))));
    return [
        'In Chromium, one thread, CPU milliseconds, same weights and inputs, in turns:', '',
        ...table(['', 'Tesserae', ...keys.slice(1).map(title), 'times the faster peer'],
            shown.map((row) => [row.name, ...keys.map((key) => number(msOf(key, row.results[key]))), number(best(row) / msOf('relaxed', row.results.relaxed))])), '',
        where(machine, peaks),
    ];
}

/** Puts lines between the marks of a text; throws where there are none. */
export function between(text, lines) {
    const marks = /(<!-- bench:begin -->\n)[^]*(<!-- bench:end -->)/;
    if (!marks.test(text)) throw new Failure('there are no <!-- bench:begin --> and <!-- bench:end --> marks');
    return text.replace(marks, (_, begin, end) => `${begin}${lines.join('\n')}\n\nMade by \`npm run bench\` and \`node scripts/speed.mjs\`.\n${end}`);
}

if (isMain(import.meta.url)) {
    await main(() => {
        const [file] = process.argv.slice(2);
        if (!file) throw new Failure('usage: node scripts/speed.mjs RUN.json, from npm run bench -- --json RUN.json');
        const report = JSON.parse(readFileSync(file, 'utf8'));
        for (const [name, lines] of [['docs/SPEED.md', whole(report)], ['README.md', brief(report)]]) {
            const target = path.join(root, name);
            writeFileSync(target, between(readFileSync(target, 'utf8'), lines));
            console.log(`${name}: written`);
        }
    });
}
