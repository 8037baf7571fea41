// The benchmark's figures as a table: milliseconds, ratios to the peers, shares of the machine's limit.

import { table } from './table.mjs';

/** The milliseconds that a contestant's figure stands for: CPU time with one thread, wall time with more (or where there is no CPU time). */
export const msOf = (key, result) => (result && !result.error ? (/ 2[TWC]$/.test(key) || !result.cpu ? result.wall : result.cpu) : NaN);

const ratio = (results, peer, key) => msOf(peer, results[peer]) / msOf(key, results[key]);
const least = (...list) => Math.min(...list.filter((v) => !Number.isNaN(v)));

/** What a row is held to: [{ what, got, bar, met }]. */
export function verdicts({ bars, results }) {
    const got = {
        peer: ['relaxed, times the faster WebAssembly peer', () => least(ratio(results, 'ort-web', 'relaxed'), ratio(results, 'tfjs', 'relaxed'))],
        'ort-web': ['relaxed, times onnxruntime-web', () => ratio(results, 'ort-web', 'relaxed')],
        tfjs: ['relaxed, times TensorFlow.js', () => ratio(results, 'tfjs', 'relaxed')],
        'ort-node': ['relaxed, times onnxruntime-node', () => ratio(results, 'ort-node', 'relaxed')],
        'simd:ort-web': ['simd128, times onnxruntime-web', () => ratio(results, 'ort-web', 'simd')],
        threads: ['two threads, times one (wall)', () => results.relaxed?.wall / results['relaxed 2T']?.wall],
        busiest: ['two threads, times one (CPU of the busiest)', () => results.relaxed?.busiest / results['relaxed 2T']?.busiest],
        pool: ['two workers, times one (wall)', () => results.relaxed?.wall / results['relaxed 2W']?.wall],
        poolBusiest: ['two workers, times one (CPU of the busiest)', () => results.relaxed?.busiest / results['relaxed 2W']?.busiest],
        poolShare: ['two workers, of what two codecs side by side get done', () => results['relaxed 2C']?.wall / 2 / results['relaxed 2W']?.wall],
        native: ['native, times its own relaxed build', () => ratio(results, 'relaxed', 'native')],
        ms: ['relaxed, ms', () => msOf('relaxed', results.relaxed)],
    };
    return Object.entries(bars).map(([name, bar]) => {
        const [what, value] = got[name], figure = value();
        const known = Number.isFinite(figure);
        return { what, got: known ? figure : null, bar, met: known ? (name === 'ms' ? figure <= bar : figure >= bar) : null };
    });
}

/** Share of the machine's limit: direct-form operations per second over the peak of the build that ran them. */
export const shareOf = (key, result, macs, peaks) => (2 * macs) / msOf(key, result) / 1e6 / (peaks[key.split(' ')[0]] ?? NaN);

const cell = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits ?? (value < 10 ? 2 : value < 100 ? 1 : 0)) : '-');

/** Prints a run: one line per row and contestant's ms as columns, then what the bars say, then what was wrong. */
export function print({ peaks, rows: all }) {
    const rows = all.filter(({ kind }) => kind !== 'memory');
    const keys = [...new Set(rows.flatMap(({ results }) => Object.keys(results)))];
    if (rows.length) console.log('\nMilliseconds per call: CPU time with one thread, wall time with two');
    if (rows.length) table(['', ...keys], rows.map(({ name, results }) => [name, ...keys.map((key) => cell(msOf(key, results[key])))]));
    const timed = rows.filter(({ macs }) => macs);
    if (timed.length) {
        console.log(`\nGFLOP/s of the direct form, and its share of the peak in registers (${Object.entries(peaks).map(([k, v]) => `${k} ${v.toFixed(1)}`).join(', ')})`);
        table(['', ...keys], timed.map(({ name, macs, results }) => [name, ...keys.map((key) => {
            const rate = (2 * macs) / msOf(key, results[key]) / 1e6, share = shareOf(key, results[key], macs, peaks);
            return Number.isFinite(rate) ? `${rate.toFixed(0)}${!/ 2T$/.test(key) && Number.isFinite(share) ? ` ${(100 * share).toFixed(0)}%` : ''}` : '-';
        })]));
        console.log('\nLargest difference from the reference (layers: double precision; nets: onnxruntime-node), relative to its largest value');
        table(['', ...keys], timed.map(({ name, results }) => [name, ...keys.map((key) => results[key]?.apart?.toExponential(1) ?? '-')]));
    }
    const shared = rows.flatMap(({ name, results }) => Object.entries(results).filter(([key, { busiest }]) => / 2[TWC]$/.test(key) && busiest).map(([key, { wall, cpu, busiest }]) => [name, key, wall, cpu, busiest]));
    if (shared.length) {
        console.log('\nTwo threads in a page: on a busy machine the CPU time of the busiest thread says more than the wall time');
        table(['', '', 'wall ms', 'CPU ms', 'busiest thread'], shared);
    }
    const held = rows.flatMap((row) => verdicts(row).map((v) => [row.name, v.what, cell(v.got), String(v.bar), v.met === null ? '-' : v.met ? 'met' : 'MISSED']));
    if (held.length) {
        console.log('\nBars');
        table(['', 'what', 'got', 'bar', ''], held);
    }
    for (const { name, limit, results } of all) {
        for (const [key, { bytes }] of Object.entries(results)) if (bytes) console.log(`\n${name}, ${key}: ${(bytes / 1e6).toFixed(0)} MB of WebAssembly memory (bar ${limit / 1e6} MB: ${bytes <= limit ? 'met' : 'MISSED'})`);
    }
    for (const { name, results } of all) for (const [key, { error }] of Object.entries(results)) if (error) console.log(`${name}, ${key}: ${error}`);
}
