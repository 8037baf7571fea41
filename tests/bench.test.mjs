// The benchmark's own parts: no peers, no timing.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { choose, parse } from '../bench/bench.mjs';
import { exactSamples, prepare, rows } from '../bench/web/lib/cases.mjs';
import { survey, taesd, vqgan } from '../bench/web/lib/nets.mjs';
import { difference, filterLast, fromHalves, randomFloats, sample, samplePlaces, toHalves, transpose } from '../bench/web/lib/numbers.mjs';
import { onnx } from '../bench/web/lib/onnx.mjs';
import { fill, instantiate, outputOf } from '../bench/web/lib/our-layer.mjs';
import { Message } from '../bench/web/lib/protobuf.mjs';
import { verdicts } from '../bench/web/lib/report.mjs';
import { median } from '../bench/web/lib/table.mjs';
import { readTensors } from '../bench/web/lib/tensors.mjs';
import { callsFor, compareSamples, takeTurns } from '../bench/web/lib/turns.mjs';
import { tamingName } from '../bench/web/lib/taming.mjs';
import { safetensors } from '../bench/web/lib/weights.mjs';
import { cmake } from '../scripts/build.mjs';
import { root } from '../scripts/lib/run.mjs';
import { between, brief, whole } from '../scripts/speed.mjs';

test('median: middle one, or mean of the two', () => {
    assert.equal(median([5, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('arguments: defaults, quick, and mistakes that are told', () => {
    assert.deepEqual({ ...parse([]) }, { only: '', quick: false, built: false, with: undefined, rounds: 3, slice: 250 });
    assert.deepEqual({ ...parse(['--quick', '--only', 'VQGAN', '--with', 'relaxed,tfjs 2T']) }, { only: 'VQGAN', quick: true, built: false, with: ['relaxed', 'tfjs 2T'], rounds: 1, slice: 100 });
    assert.throws(() => parse(['--rounds', '0']), /whole number from 1/);
    assert.throws(() => parse(['--round', '3']), /usage: npm run bench/);
    assert.equal(choose(rows, 'vqgan').length, 2);
    assert.throws(() => choose(rows, 'resnet50'), /there are 3x3 128->128/);
});

test('float16: every number goes to and fro, and ties go to even', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & 0x7c00) !== 0x7c00 || !(half & 0x3ff));
    assert.deepEqual(toHalves(fromHalves(all)), all);
    assert.deepEqual([...toHalves(Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 1e6, 2 ** -25, 3 * 2 ** -25))], [0x3c00, 0x3c02, 0x7c00, 0, 2]);
});

test('orders: transposing, filters and samples agree between channels first and last', () => {
    const last = randomFloats(3 * 5 * 7, 1), first = transpose(last, 5 * 7, 3);
    assert.deepEqual(sample(first, 3, true), sample(last, 3));
    assert.equal(filterLast(Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => i), [2, 3, 2, 2])[(1 * 3 + 2) * 2 + 1], (1 * 3 + 2) * 4 + 1);
    assert.ok(new Set(samplePlaces(1e6).map((place) => place % 64)).size === 64, 'samples reach every channel');
    assert.deepEqual(difference([1, 5], [2, -3]), { most: 8, size: 3 });
    assert.ok(Number.isNaN(difference([NaN], [1]).most));
});

test('nets: tensors and multiply-adds are those of the originals', () => {
    const decoder = survey(vqgan.decoder, { channels: 256, height: 16, width: 16 }, 'decoder'), encoder = survey(vqgan.encoder, { channels: 3, height: 256, width: 256 }, 'encoder');
    assert.deepEqual(decoder.output, { channels: 3, height: 256, width: 256 });
    assert.deepEqual(encoder.output, { channels: 256, height: 16, width: 16 });
    assert.ok(Math.abs(decoder.macs / 1e9 - 126.4) < 0.1, `${decoder.macs}`);
    assert.equal(decoder.tensors.length + encoder.tensors.length + 1, 343); // and the codebook
    assert.equal(tamingName('decoder.2.shortcut.weight'), 'decoder.mid.block_1.nin_shortcut.weight');
    assert.equal(tamingName(decoder.tensors.at(-1).name), 'decoder.conv_out.bias');
    assert.equal(tamingName(encoder.tensors.at(-1).name), 'quant_conv.bias');
    const count = ({ tensors }) => tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assert.equal(count(survey(taesd.encoder, { channels: 3, height: 64, width: 64 }, 'e')), 1222532);
    assert.equal(count(survey(taesd.decoder, { channels: 4, height: 8, width: 8 }, 'd')), 1222531);
});

test('model file: what is written is read', () => {
    const values = randomFloats(24, 1), bytes = safetensors([{ name: 'a', shape: [4], halves: toHalves(values.slice(0, 4)) }, { name: 'b', shape: [2, 10], halves: toHalves(values.slice(4)) }], { x: '1' });
    const read = readTensors(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    assert.deepEqual(read('b').shape, [2, 10]);
    assert.ok(difference([...read('b').values], [...values.slice(4)]).most < 2 ** -11);
    assert.throws(() => read('c'), /no tensor c/);
});

test('ONNX: numbers and nested messages as Protocol Buffers spell them; a net has all its nodes', () => {
    assert.deepEqual([...new Message().int(1, 300).bytes(2, new Message().int(1, 5)).bytes(3, 'ab').finish()], [8, 172, 2, 18, 2, 8, 5, 26, 2, 97, 98]);
    const file = onnx([{ op: 'resnet', out: 32 }, { op: 'attention' }, { op: 'up', factor: 2 }], { channels: 64, height: 4, width: 4 }, 'd',
        (name) => ({ shape: /norm/.test(name) ? [64] : [32, 64, 3, 3], values: new Float32Array(4) }));
    const text = Buffer.from(file).toString('latin1');
    for (const [type, times] of [['Conv', 7], ['InstanceNormalization', 3], ['Softmax', 1], ['Resize', 1]]) assert.equal(text.split(`"${String.fromCharCode(type.length)}${type}`).length - 1, times, type);
});

test('turns: one after the other, a failing contestant drops out, samples are compared', async () => {
    const calls = [];
    const fake = (name, fault) => ({
        load() {}, free() {}, close() { calls.push(`${name} closes`); },
        run(n) {
            calls.push(name);
            if (fault) throw new Error(`${name} broke\nat line 1`);
            return { wall: Array(n).fill(name === 'a' ? 2 : 4), cpu: 3 };
        },
        sample: () => (name === 'a' ? [1, 2] : [1, 2.5]),
    });
    const results = compareSamples(await takeTurns({ a: fake('a'), b: fake('b'), c: fake('c', true) }, {}, { rounds: 2, slice: 8 }), [1, 2]);
    assert.deepEqual(calls, ['a', 'a', 'b', 'b', 'c', 'c closes', 'a', 'b', 'a', 'b']);
    assert.deepEqual(results, { a: { calls: 4, wall: 2, cpu: 3, least: 2, apart: 0 }, b: { calls: 3, wall: 4, cpu: 3, least: 4, apart: 0.25 }, c: { error: 'c broke' } });
    assert.equal(callsFor(1e9, 250), 1);
    const row = { bars: { peer: 2, ms: 100, threads: 1.8 }, results: { relaxed: { wall: 60, cpu: 50 }, 'ort-web': { wall: 1, cpu: 125 }, tfjs: { wall: 1, cpu: 90 } } };
    assert.deepEqual(verdicts(row).map(({ got, met }) => [got, met]), [[1.8, false], [50, true], [null, null]]);
    const pool = { bars: { pool: 1.75, poolShare: 0.9 }, results: { relaxed: { wall: 90 }, 'relaxed 2W': { wall: 60 }, 'relaxed 2C': { wall: 102 } } };
    assert.deepEqual(verdicts(pool).map(({ got, met }) => [got, met]), [[1.5, false], [0.85, false]]);
});

test('figures: a run becomes tables between the marks', () => {
    const one = (ms) => ({ wall: ms, cpu: ms, least: ms });
    const row = { name: 'net', kind: 'net', macs: 1e9, bars: { peer: 2 }, results: { relaxed: one(40), 'ort-web': one(200), tfjs: one(100), 'relaxed 2T': one(20), 'ort-node': { error: 'no' } } };
    const report = {
        machine: { cpu: 'X', cores: 2, chromium: '1', commit: 'abc', date: 'today' }, peaks: { relaxed: 50, simd: 40, native: 200 }, backend: 'avx512',
        rows: [row, { name: 'room', kind: 'memory', limit: 7e8, results: { relaxed: { bytes: 6e8 } } }],
    };
    const text = between('a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nz', whole(report));
    for (const line of ['| net | 40.0 | - | 200 | 100 | - | - | 2.50 |', '| net | 100 % | - | 25 % | 50 % | - | - |', '| net | 20.0 |', '| net | relaxed, times the faster WebAssembly peer | 2.50 | 2 | met |', 'room: 600 MB']) assert.ok(text.includes(line), `${line}\n${text}`);
    assert.ok(!text.includes('old') && text.endsWith('z'));
    assert.ok(brief(report).includes('| net | 40.0 | 200 | 100 | 2.50 |'));
    assert.throws(() => between('no marks', []), /marks/);
});

test('a layer of the benchmark module agrees with double precision', async () => {
    cmake('wasm-simd', 'bench-layers');
    const row = { kind: 'layer', name: 'small', list: [{ op: 'conv', out: 12, kernel: 3 }], prefix: 'layer', shape: { channels: 8, height: 10, width: 10 }, kernel: 3, out: 12 };
    const task = prepare(row), bytes = (file) => { const data = readFileSync(path.join(root, file)); return data.buffer.slice(data.byteOffset, data.byteOffset + data.length); };
    const core = await instantiate(readFileSync(path.join(root, 'build/wasm-simd/bench-layers.opt.wasm')));
    fill(core, task, new Float32Array(bytes(task.input)), readTensors(bytes(task.model)));
    core.run(1);
    const exact = exactSamples(task), { most, size } = difference(sample(outputOf(core, task), 12), exact);
    assert.ok(size > 0.5 && most < 1e-5 * size, `${most} of ${size}`);
    new Float32Array(core.memory.buffer, core.values(3), 12).fill(9); // another bias must be seen
    core.run(1);
    assert.ok(difference(sample(outputOf(core, task), 12), exact).most > 1);
});
