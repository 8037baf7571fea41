// generate: pictures from a prior, their seeds, sheets and faults; train --captions makes such a prior.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { readPpm, root, tesserae, tinyModel, workFolder, writePpm } from './programs.mjs';

const fixtures = path.join(root, 'tests/fixtures/twin');
const words = path.join(fixtures, 'prior_text.safetensors'); // 4 x 4 tokens of 4 x 4 pixels
const classes = path.join(fixtures, 'prior_class.safetensors'); // 3 x 5 tokens, 3 classes

for (const program of ['native', 'wasm']) {
    test(`the same seed gives the same picture, others others (${program})`, (t) => {
        const folder = workFolder(t);
        const at = (name) => path.join(folder, name);
        const made = tesserae(program, ['generate', '-m', words, 'red hat', '-o', at('a.ppm'), '-n', '3', '--guidance', '2', '--threads', '1']);
        assert.equal(made.code, 0, made.fault);
        assert.equal(made.text.split('\n').length, 4);
        const [first, second] = [1, 2].map((i) => readFileSync(at(`a-${i}.ppm`)));
        assert.deepEqual([readPpm(first).width, readPpm(first).height], [16, 16]);
        assert.ok(!first.equals(second));
        const again = tesserae(program, ['generate', '-m', words, 'Red HAT', '-o', '-', '--seed', '2', '--guidance', '2', '--steps', '12', '--order', 'halton']);
        assert.equal(again.code, 0, again.fault);
        assert.equal(again.out.subarray(1, 4).toString(), 'PNG');
        const third = tesserae(program, ['generate', '-m', words, 'red hat', '-o', at('b.ppm'), '--seed', '3', '--guidance', '2']);
        assert.equal(third.code, 0, third.fault);
        assert.ok(readFileSync(at('b.ppm')).equals(readFileSync(at('a-3.ppm'))));
    });
}

test('a bundled model goes by its name; avatars where none is given', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    const shared = ['--threads', '1', '--steps', '4'];
    const face = tesserae('native', ['generate', 'red hat', '-o', at('face.ppm'), ...shared], { cwd: folder });
    assert.equal(face.code, 0, face.fault);
    assert.equal(readPpm(readFileSync(at('face.ppm'))).width, 64);
    const byPath = tesserae('native', ['generate', 'red hat', '-m', path.join(root, 'models/avatars.safetensors'), '-o', at('path.ppm'), ...shared]);
    assert.equal(byPath.code, 0, byPath.fault);
    assert.ok(readFileSync(at('face.ppm')).equals(readFileSync(at('path.ppm'))));
    mkdirSync(at('avatars'));
    const beside = tesserae('native', ['generate', '-m', 'avatars', 'red hat', '-o', at('beside.ppm'), ...shared], { cwd: folder });
    assert.equal(beside.code, 0, 'a folder of that name is not in the way');
    assert.equal(tesserae('native', ['generate', '-m', './avatars', '-o', at('x.ppm')], { cwd: folder }).code, 1);
    const seven = tesserae('native', ['generate', '--model', 'digits', '--class', '7', '-o', at('7.ppm'), ...shared], { cwd: folder });
    assert.equal(seven.code, 0, seven.fault);
    assert.equal(readPpm(readFileSync(at('7.ppm'))).width, 28);
    const heart = tesserae('native', ['generate', '--model', 'emoji', 'red heart', '-o', at('heart.ppm'), ...shared], { cwd: folder });
    assert.equal(heart.code, 0, heart.fault);
    assert.equal(readPpm(readFileSync(at('heart.ppm'))).width, 64);
});

test('a sheet holds all pictures, row by row; the rest is white', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    const made = tesserae('native', ['generate', '-m', classes, '-o', at('s.ppm'), '--sheet', '-n', '3', '--class', '1', '--json',
        '--order', 'confidence', '--temperature', '0.7', '--top-k', '9', '--top-p', '0.9']);
    assert.equal(made.code, 0, made.fault);
    assert.deepEqual(JSON.parse(made.text), { output: at('s.ppm'), seed: 1, width: 40, height: 24 });
    const sheet = readPpm(readFileSync(at('s.ppm')));
    const one = tesserae('native', ['generate', '-m', classes, '-o', at('one.ppm'), '--class', '1', '--seed', '2', '--order', 'confidence',
        '--temperature', '0.7', '--top-k', '9', '--top-p', '0.9']);
    assert.equal(one.code, 0, one.fault);
    const { pixels } = readPpm(readFileSync(at('one.ppm')));
    for (let y = 0; y < 12; y++) {
        const row = (y * 40 + 20) * 3;
        assert.ok(Buffer.from(sheet.pixels.subarray(row, row + 60)).equals(Buffer.from(pixels.subarray(y * 60, y * 60 + 60))), `row ${y}`);
        assert.ok(sheet.pixels.subarray(((y + 12) * 40 + 20) * 3, ((y + 12) * 40 + 40) * 3).every((value) => value === 255));
    }
});

test('refuses what it cannot do, and says why', (t) => {
    const out = path.join(workFolder(t), 'x.png');
    const refused = [
        [['generate'], 2, /-o/],
        [['generate', '-m'], 2, /MODEL/],
        [['generate', '-m', words, 'a', 'b', '-o', out], 2, /'b' is one thing too many/],
        [['generate', '-m', words, '-o', out, '--order', 'left'], 2, /halton or confidence, not 'left'/],
        [['generate', '-m', words, '-o', out, '--steps', '0'], 2, /from 1 to 256/],
        [['generate', '-m', words, '-o', out, '--top-p', '2'], 2, /from 0 to 1/],
        [['generate', '-m', words, '-o', '-', '-n', '2'], 2, /--sheet/],
        [['generate', '-m', words, '-o', '-', '--json'], 2, /both go to standard output/],
        [['generate', '-m', tinyModel, '-o', out], 1, /has no prior/],
        [['generate', '-m', classes, 'cat', '-o', out], 1, /knows no words.*class/],
        [['generate', '-m', classes, '-o', out, '--class', '3'], 1, /class must be .*from -1 to 2/],
        [['generate', '-m', 'nowhere', '-o', out], 1, /nowhere: no such file, and no models\/nowhere\.safetensors/],
    ];
    for (const [list, code, pattern] of refused) {
        const result = tesserae('native', list);
        assert.equal(result.code, code, list.join(' '));
        assert.match(result.fault, pattern, list.join(' '));
        assert.ok(!existsSync(out));
    }
});

const nets = {
    format: 1, name: 'small', range: [-1, 1],
    encoder: [{ op: 'unshuffle', factor: 4 }, { op: 'conv', out: 4, kernel: 1 }],
    decoder: [{ op: 'conv', out: 48, kernel: 1 }, { op: 'shuffle', factor: 4 }],
    quantizer: { type: 'vq', size: 16, dim: 4 },
};

test('train: a model, then a prior for it from a sheet and captions, resumed; then generate', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    mkdirSync(at('sheets'));
    writePpm(path.join(at('sheets'), '0.ppm'), 32, 32); // 16 tiles of 8 x 8
    const tokenizer = { ...nets, train: { size: 8, batch: 4, steps: 30, quantize_from: 5, flip: false, loss: { l2: 1 } } };
    writeFileSync(at('nets.json'), JSON.stringify(tokenizer));
    const common = ['--tile', '8', '--threads', '1'];
    const base = tesserae('native', ['train', at('sheets'), '-c', at('nets.json'), '-o', at('base.safetensors'), ...common]);
    assert.equal(base.code, 0, base.fault);
    const prior = { grid: [2, 2], width: 16, layers: 1, heads: 2, text: { words: 2, buckets: 32 } };
    const config = { ...nets, prior, train: { flip: false, prior: { batch: 4, steps: 30, lr: 1e-3, warmup: 3 } } };
    writeFileSync(at('prior.json'), JSON.stringify(config));
    const lines = Array.from({ length: 16 }, (_, i) => JSON.stringify({ caption: `tile ${i}`, other: [i] }));
    writeFileSync(at('index.jsonl'), `${lines.join('\n')}\n`);
    const train = (out, ...more) => tesserae('native', ['train', at('sheets'), '-o', at(out), '--captions', at('index.jsonl'), ...common, ...more]);
    const fresh = ['-c', at('prior.json'), '--init', at('base.safetensors')];
    const whole = train('whole.safetensors', ...fresh, '--log', at('log.csv'));
    assert.equal(whole.code, 0, whole.fault);
    assert.match(whole.text, /: 30 steps in \d+ s, accuracy [\d.]+/);
    assert.match(readFileSync(at('log.csv'), 'utf8'), /^step,total,accuracy,grad_norm,lr,skipped,images,seconds\n/);
    const half = train('half.safetensors', ...fresh, '--steps', '30');
    assert.equal(half.code, 0, half.fault);
    const resumed = train('again.safetensors', '--resume', at('half.safetensors.ckpt'), '--steps', '40');
    assert.equal(resumed.code, 0, resumed.fault);
    assert.ok(readFileSync(at('half.safetensors')).equals(readFileSync(at('whole.safetensors'))));
    const hash = (name) => JSON.parse(tesserae('native', ['info', '--json', at(name)]).text).info.hash;
    assert.equal(hash('whole.safetensors'), hash('base.safetensors'));
    const made = tesserae('native', ['generate', '-m', at('again.safetensors'), 'tile 3', '-o', at('g.png'), '--guidance', '1']);
    assert.equal(made.code, 0, made.fault);

    writeFileSync(at('index.jsonl'), '{"caption":"one"}\n\n{"caption":7}\n');
    const bad = train('bad.safetensors', ...fresh);
    assert.equal(bad.code, 1);
    assert.match(bad.fault, /index\.jsonl, line 3.*caption/);
    const alone = train('bad.safetensors', '-c', at('prior.json'));
    assert.equal(alone.code, 1);
});
