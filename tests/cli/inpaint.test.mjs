// inpaint: masks, transparency, a larger canvas, samples, and faults.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fixture, split } from '../web/safetensors.mjs';
import { readPpm, root, tesserae, workFolder, writePng, writePpm } from './programs.mjs';

const whole = path.join(root, 'tests/fixtures/twin/prior_conv.safetensors'); // tiny nets of factor 4 and a prior in one file

/** A PGM, white in a rectangle. */
function writeMask(file, width, height, [left, top, right, bottom]) {
    const pixels = Buffer.alloc(width * height);
    for (let y = top; y < bottom; y++) pixels.fill(255, y * width + left, y * width + right);
    writeFileSync(file, Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), pixels]));
    return file;
}

/** Where two pictures of one size differ: [x, y] of the first and behind the last pixel, or undefined. */
function differing(a, b, { width, height }) {
    let box;
    for (let i = 0; i < width * height; i++) {
        if (a.subarray(3 * i, 3 * i + 3).equals(b.subarray(3 * i, 3 * i + 3))) continue;
        const x = i % width, y = Math.floor(i / width);
        box = box ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)] : [x, y, x + 1, y + 1];
    }
    return box;
}

for (const program of ['native', 'wasm']) {
    test(`fills what the mask says and nothing else (${program})`, (t) => {
        const folder = workFolder(t);
        const at = (name) => path.join(folder, name);
        writePpm(at('in.ppm'), 120, 90);
        writeMask(at('mask.pgm'), 120, 90, [50, 30, 71, 44]);
        const run = (out, ...words) => {
            const made = tesserae(program, ['inpaint', at('in.ppm'), '-o', at(out), '-m', whole, '--mask', at('mask.pgm'), '--threads', '1', ...words]);
            assert.equal(made.code, 0, made.fault);
            return made;
        };
        const { text } = run('a.ppm', '--json', '--samples', '2', '--temperature', '3');
        const lines = text.trim().split('\n').map((line) => JSON.parse(line));
        assert.deepEqual(lines.map(({ output, seed, width, height }) => [output, seed, width, height]),
            [[at('a-1.ppm'), 1, 120, 90], [at('a-2.ppm'), 2, 120, 90]]);
        assert.ok(Math.abs(lines[0].masked - 21 * 14 / (120 * 90)) < 1e-4);
        const before = readPpm(readFileSync(at('in.ppm')));
        const [first, second] = [1, 2].map((i) => readPpm(readFileSync(at(`a-${i}.ppm`))));
        for (const made of [first, second]) {
            const [left, top, right, bottom] = differing(made.pixels, before.pixels, before);
            assert.ok(left >= 50 && top >= 30 && right <= 71 && bottom <= 44);
        }
        assert.ok(!first.pixels.equals(second.pixels));
        run('b.ppm', '--seed', '7'); // the first copy is of the best matches, whatever the seed
        assert.ok(readPpm(readFileSync(at('b.ppm'))).pixels.equals(first.pixels));
        run('c.ppm', '--method', 'prior', '--steps', '2');
        assert.ok(!readPpm(readFileSync(at('c.ppm'))).pixels.equals(first.pixels));
    });
}

test('a larger canvas: the picture lies in it as it was', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    writePpm(at('in.ppm'), 100, 80);
    const run = (...words) => {
        const made = tesserae('native', ['inpaint', at('in.ppm'), '-o', at('out.ppm'), '-m', whole, ...words]);
        assert.equal(made.code, 0, made.fault);
        return readPpm(readFileSync(at('out.ppm')));
    };
    const before = readPpm(readFileSync(at('in.ppm')));
    const made = run('--extend', '10,0,7,5');
    assert.deepEqual([made.width, made.height], [117, 85]);
    for (let y = 0; y < 80; y++)
        assert.ok(made.pixels.subarray((y * 117 + 10) * 3, (y * 117 + 110) * 3).equals(before.pixels.subarray(y * 300, y * 300 + 300)), `row ${y}`);
    assert.ok(made.pixels.subarray(0, 30).some((value) => value !== 255));
    const all = run('--extend', '3');
    assert.deepEqual([all.width, all.height], [106, 86]);
});

test('without a mask what is transparent is filled', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    writePng(at('in.png'), 120, 90); // alpha rises from left to right
    const made = tesserae('native', ['inpaint', at('in.png'), '-o', at('out.ppm'), '-m', whole, '--json']);
    assert.equal(made.code, 0, made.fault);
    assert.ok(Math.abs(JSON.parse(made.text).masked - 0.5) < 0.02);
    assert.deepEqual([readPpm(readFileSync(at('out.ppm'))).width], [120]);
});

test('refuses what it cannot do, and says why', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    const input = writePpm(at('in.ppm'), 30, 20), out = at('x.png');
    const mask = writeMask(at('mask.pgm'), 30, 20, [0, 0, 30, 20]), other = writeMask(at('other.pgm'), 9, 9, [0, 0, 1, 1]);
    writeFileSync(at('bare.safetensors'), split(fixture('prior_conv'), 'prior', '0'.repeat(16)).model);
    const bare = ['-m', at('bare.safetensors')];
    const refused = [
        [['inpaint'], 2, /IN/],
        [['inpaint', input], 2, /-o/],
        [['inpaint', input, '-o', out, '--extend', '1,2'], 2, /four whole numbers/],
        [['inpaint', input, '-o', out, '--extend', '1.5'], 2, /four whole numbers/],
        [['inpaint', input, '-o', out, '--method', 'magic'], 2, /auto, copy or prior, not 'magic'/],
        [['inpaint', input, '-o', '-', '-n', '2'], 2, /cannot all go/],
        [['inpaint', input, '-o', out, '-m', whole], 1, /is opaque: say by --mask or --extend/],
        [['inpaint', input, '-o', out, '-m', whole, '--mask', other], 1, /9 x 9 pixels, the picture 30 x 20/],
        [['inpaint', input, '-o', out, ...bare, '--mask', mask], 1, /Too little/],
        [['inpaint', input, '-o', out, ...bare, '--mask', mask, '--method', 'prior'], 1, /has no prior: .*bare\.prior\.safetensors/],
        [['inpaint', 'nowhere.png', '-o', out, '-m', whole, '--mask', mask], 1, /nowhere\.png/],
    ];
    for (const [list, code, pattern] of refused) {
        const result = tesserae('native', list);
        assert.equal(result.code, code, `${list.join(' ')}: ${result.fault}`);
        assert.match(result.fault, pattern, list.join(' '));
        assert.ok(!existsSync(out));
    }
});
