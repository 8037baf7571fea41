// train and bench: a model from a folder, exact resume, Ctrl-C, the log.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startTesserae, tesserae, tinyModel, workFolder, writePpm } from './programs.mjs';

const config = {
    format: 1, name: 'digits', licence: 'MIT', trained_on: 'nothing', range: [-1, 1],
    encoder: [{ op: 'unshuffle', factor: 4 }, { op: 'conv', out: 8, kernel: 1 }, { op: 'silu' }, { op: 'conv', out: 4, kernel: 3 }],
    decoder: [{ op: 'conv', out: 8, kernel: 3 }, { op: 'silu' }, { op: 'conv', out: 48, kernel: 1 }, { op: 'shuffle', factor: 4 }],
    quantizer: { type: 'vq', levels: 2, size: 16, dim: 4 },
    train: { size: 32, batch: 2, steps: 40, lr: 1e-3, warmup: 5, quantize_from: 5, seed: 3, loss: { l1: 1, l2: 2 }, lambda: [0, 0.02] },
};

function setUp(t) {
    const folder = workFolder(t);
    const pictures = path.join(folder, 'pictures');
    mkdirSync(pictures);
    for (let i = 0; i < 3; i++) writePpm(path.join(pictures, `${i}.ppm`), 64 + i, 50 + i);
    const file = path.join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    return { folder, pictures, file, at: (name) => path.join(folder, name) };
}

for (const program of ['native', 'wasm']) {
    test(`trains a model that encodes, with a log and a checkpoint (${program})`, (t) => {
        const { pictures, file, at } = setUp(t);
        const words = ['train', pictures, '-c', file, '-o', at('m.safetensors'), '--log', at('log.csv'), '--json', '--threads', '1'];
        const trained = tesserae(program, words);
        assert.equal(trained.code, 0, trained.fault);
        const report = JSON.parse(trained.text);
        assert.equal(report.step, 40);
        assert.ok(report.psnr > 5 && report.skipped === 0);
        const rows = readFileSync(at('log.csv'), 'utf8').trim().split('\n').map((line) => line.split(','));
        assert.equal(rows[0][0], 'step');
        assert.deepEqual(rows.slice(1).map((row) => Number(row[0])), [10, 20, 30, 40]);
        assert.ok(Number(rows[4][1]) < Number(rows[1][1]), 'the loss falls');
        const coded = tesserae(program, ['encode', path.join(pictures, '0.ppm'), '-o', at('a.tess'), '-m', at('m.safetensors')]);
        assert.equal(coded.code, 0, coded.fault);
        assert.ok(existsSync(at('m.safetensors.ckpt')));
    });
}

test('says what was measured: no bits before codes are used, and no codes without a codebook', (t) => {
    const { pictures, file, at } = setUp(t);
    const end = (quantizer, quantize_from) => {
        writeFileSync(file, JSON.stringify({ ...config, quantizer, train: { ...config.train, steps: 10, quantize_from } }));
        const trained = tesserae('native', ['train', pictures, '-c', file, '-o', at('m.safetensors'), '--log', at('log.csv'), '--threads', '1']);
        assert.equal(trained.code, 0, trained.fault);
        const [head, row] = readFileSync(at('log.csv'), 'utf8').split('\n').map((line) => line.split(','));
        return { text: trained.text, row: Object.fromEntries(head.map((name, i) => [name, row[i]])) };
    };
    const whole = end(config.quantizer, 5);
    assert.match(whole.text, /: 10 steps in \d+ s, PSNR [\d.]+, bpp [\d.]+, codes in use [1-9]\d*\n$/);
    assert.ok(Number(whole.row.used) > 0);
    assert.match(end(config.quantizer, 20).text, /PSNR [\d.]+, codes in use 0\n$/);
    const none = end({ type: 'none', dim: 4 }, 5);
    assert.match(none.text, /PSNR [\d.]+\n$/);
    assert.deepEqual([none.row.bpp, none.row.used, none.row.dead, none.row.perplexity], ['', '', '', '']);
});

test('a stopped and resumed run makes the same model, byte for byte', async (t) => {
    const { pictures, file, at } = setUp(t);
    const common = ['--threads', '1'];
    const longer = { ...config, train: { ...config.train, steps: 300 } }; // long enough to be stopped in its middle
    writeFileSync(file, JSON.stringify(longer));
    assert.equal(tesserae('native', ['train', pictures, '-c', file, '-o', at('whole.safetensors'), ...common]).code, 0);
    await interruptedRun(at, pictures, file);
    const resumed = tesserae('native', ['train', pictures, '--resume', at('half.safetensors.ckpt'), '-o', at('half.safetensors'), ...common]);
    assert.equal(resumed.code, 0, resumed.fault);
    assert.ok(readFileSync(at('whole.safetensors')).equals(readFileSync(at('half.safetensors'))));
});

test('--tile trains on the tiles of a sheet as on pictures of their own, unused places left out', (t) => {
    const { folder, file, at } = setUp(t);
    const [sheets, single] = ['sheets', 'single'].map((name) => path.join(folder, name));
    for (const name of [sheets, single]) mkdirSync(name);
    const pixel = (tile, x, y) => [(x * 7 + tile * 50) % 256, (y * 5 + x * tile) % 256, (x * y + 90 * tile) % 256];
    const ppm = (name, width, height, at) => {
        const bytes = Buffer.alloc(width * height * 3, 255);
        for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) bytes.set(at(x, y) ?? [255, 255, 255], 3 * (y * width + x));
        writeFileSync(name, Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), bytes]));
    };
    for (let tile = 0; tile < 3; tile++) ppm(path.join(single, `${tile}.ppm`), 32, 32, (x, y) => pixel(tile, x, y));
    const tileAt = (x, y) => 2 * (y >> 5) + (x >> 5); // 2 x 2 places, the last one empty; 10 columns over
    ppm(path.join(sheets, 'sheet.ppm'), 74, 64, (x, y) => (x < 64 && tileAt(x, y) < 3 ? pixel(tileAt(x, y), x % 32, y % 32) : null));
    const run = (from, out, ...more) => tesserae('native', ['train', from, '-c', file, '-o', at(out), '--threads', '1', ...more]);
    for (const done of [run(sheets, 'a.safetensors', '--tile', '32'), run(single, 'b.safetensors')]) assert.equal(done.code, 0, done.fault);
    assert.ok(readFileSync(at('a.safetensors')).equals(readFileSync(at('b.safetensors'))));
    const wide = run(sheets, 'c.safetensors', '--tile', '512');
    assert.notEqual(wide.code, 0);
    assert.match(wide.fault, /sheet\.ppm is 74 x 64, smaller than one tile/);
});

/** A run ended by SIGINT somewhere in the middle: it must leave a checkpoint and say how to go on. */
async function interruptedRun(at, pictures, file) {
    const words = ['train', pictures, '-c', file, '-o', at('half.safetensors'), '--threads', '1', '--log', at('half.csv')];
    for (let attempt = 0; attempt < 5; attempt++) {
        rmSync(at('half.csv'), { force: true });
        const { child, ended } = startTesserae('native', words);
        const rows = () => (existsSync(at('half.csv')) ? readFileSync(at('half.csv'), 'utf8').split('\n').length : 0);
        const poll = setInterval(() => {
            if (rows() <= 2) return;
            clearInterval(poll);
            child.kill('SIGINT'); // once: a second one would end it without a checkpoint
        }, 1);
        const { code, fault } = await ended;
        clearInterval(poll);
        if (code === 1 && /stopped after step/.test(fault)) {
            assert.match(fault, /--resume .*half\.safetensors\.ckpt/);
            assert.ok(existsSync(at('half.safetensors.ckpt')));
            return;
        }
        assert.equal(code, 0, fault); // it was done before the signal came: try again
    }
    assert.fail('no run could be interrupted in its middle');
}

test("an adversary's figures are in log and report, from its step on", (t) => {
    const { pictures, file, at } = setUp(t);
    const adversarial = { discriminator: { layers: 2, width: 8 }, from: 15, lecam: 0.1, freeze: true };
    writeFileSync(file, JSON.stringify({ ...config, train: { ...config.train, adversarial } }));
    const words = ['train', pictures, '-c', file, '-o', at('m.safetensors'), '--log', at('log.csv'), '--json', '--threads', '1'];
    const trained = tesserae('native', words);
    assert.equal(trained.code, 0, trained.fault);
    const report = JSON.parse(trained.text);
    for (const name of ['generator', 'discriminator', 'lecam', 'real', 'fake', 'd_accuracy', 'd_weight', 'd_grad_norm'])
        assert.ok(Number.isFinite(report[name]), name);
    assert.equal(report.phase, 2);
    const [head, ...rows] = readFileSync(at('log.csv'), 'utf8').trim().split('\n').map((line) => line.split(','));
    const column = head.indexOf('discriminator');
    assert.deepEqual(rows.map((row) => row[column] !== ''), [false, true, true, true]);
    assert.ok(rows.every((row) => row.length === head.length));
});

test('bench prints a line of JSON per measurement', () => {
    const result = tesserae('native', ['bench', '--seconds', '0', '--json', '-m', tinyModel]);
    assert.equal(result.code, 0, result.fault);
    const lines = result.text.trim().split('\n').map((line) => JSON.parse(line));
    for (const what of ['matrix product', 'conv 3x3', 'encoder net', 'decoder net', 'encode', 'decode']) {
        assert.ok(lines.some((line) => line.what === what && line.ms > 0), what);
    }
});

// ---- two phases: encoder and codes frozen from a step on, while the decoder learns against a discriminator

function twoPhases(t, steps, from) {
    const set = setUp(t);
    const adversarial = { from, freeze: true, lecam: 0.01, discriminator: { layers: 2, width: 8 } };
    writeFileSync(set.file, JSON.stringify({ ...config, train: { ...config.train, steps, batch: 1, adversarial } }));
    return set;
}

/** The step that a checkpoint is of; -1 without one. A torn file would not parse. */
function stepOf(checkpoint) {
    if (!existsSync(checkpoint)) return -1;
    const bytes = readFileSync(checkpoint);
    const size = Number(bytes.readBigUInt64LE(0));
    const { data_offsets: [at, end] } = JSON.parse(bytes.subarray(8, 8 + size).toString())['state.step'];
    assert.equal(end - at, 8);
    return Number(bytes.readBigInt64LE(8 + size + at));
}

/** Runs and kills, without warning, some time after the checkpoint of that step was written. */
async function killedRun(words, checkpoint, step) {
    const { child, ended } = startTesserae('native', words);
    const poll = setInterval(() => {
        if (stepOf(checkpoint) >= step) child.kill('SIGKILL');
    }, 1);
    const { signal } = await ended;
    clearInterval(poll);
    return signal === 'SIGKILL';
}

test('a two-phase run that is killed again and again makes the same model, byte for byte', async (t) => {
    const { folder, pictures, file, at } = twoPhases(t, 600, 200);
    const common = ['train', pictures, '--threads', '1'];
    assert.equal(tesserae('native', [...common, '-c', file, '-o', at('whole.safetensors')]).code, 0);
    const checkpoint = at('killed.safetensors.ckpt');
    const out = ['-o', at('killed.safetensors')];
    const resume = ['--resume', checkpoint];
    let kills = 0;
    for (const step of [20, 190, 200, 400])
        kills += await killedRun([...common, ...(kills ? resume : ['-c', file]), ...out, '--checkpoint', '0'], checkpoint, step);
    assert.ok(kills > 0, 'no run could be killed in its middle');
    const resumed = tesserae('native', [...common, ...resume, ...out]);
    assert.equal(resumed.code, 0, resumed.fault);
    assert.ok(readFileSync(at('whole.safetensors')).equals(readFileSync(at('killed.safetensors'))));
    assert.ok(readFileSync(at('whole.safetensors.ckpt')).equals(readFileSync(checkpoint)));
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith('.tmp')), [], 'half files of the killed runs');
});

test('a file of the first phase decodes with the last model, whose info names what it reads', (t) => {
    const { pictures, file, at } = twoPhases(t, 90, 60);
    const run = (...words) => {
        const result = tesserae('native', words);
        assert.equal(result.code, 0, result.fault);
        return result;
    };
    run('train', pictures, '-c', file, '-o', at('first.safetensors'), '--steps', '60');
    run('train', pictures, '--resume', at('first.safetensors.ckpt'), '-o', at('last.safetensors'), '--steps', '90');
    run('encode', path.join(pictures, '0.ppm'), '-o', at('a.tess'), '-m', at('first.safetensors'));
    run('decode', at('a.tess'), '-o', at('first.ppm'), '-m', at('first.safetensors'));
    run('decode', at('a.tess'), '-o', at('last.ppm'), '-m', at('last.safetensors'));
    assert.ok(!readFileSync(at('first.ppm')).equals(readFileSync(at('last.ppm'))), 'the decoder has learnt');
    const info = (name) => JSON.parse(run('info', at(name), '--json').text).info;
    assert.deepEqual(info('first.safetensors').reads, []);
    assert.ok(info('last.safetensors').reads.includes(info('first.safetensors').hash));
    assert.match(run('info', at('last.safetensors')).text, /reads +\["[0-9a-f]{16}"/);
    run('encode', path.join(pictures, '0.ppm'), '-o', at('b.tess'), '-m', at('last.safetensors'));
    const refused = tesserae('native', ['decode', at('b.tess'), '-o', at('c.ppm'), '-m', at('first.safetensors')]);
    assert.notEqual(refused.code, 0);
    for (const name of ['first.safetensors', 'last.safetensors']) assert.ok(refused.fault.includes(info(name).hash));
});

test('a new warning is printed once', (t) => {
    const { folder, file, at } = setUp(t);
    const flat = path.join(folder, 'flat'); // one colour everywhere: one code of 512 is enough
    mkdirSync(flat);
    writeFileSync(path.join(flat, '0.ppm'), Buffer.concat([Buffer.from('P6\n40 40\n255\n'), Buffer.alloc(4800, 90)]));
    const quantizer = { type: 'vq', size: 512, dim: 4, restart: 0 };
    writeFileSync(file, JSON.stringify({ ...config, quantizer, train: { ...config.train, steps: 200 } }));
    const trained = tesserae('native', ['train', flat, '-c', file, '-o', at('m.safetensors'), '--threads', '1']);
    assert.equal(trained.code, 0, trained.fault);
    assert.equal(trained.fault.match(/of 512 codes of level 0 are in use/g)?.length, 1, trained.fault);
});
