// upscale: a picture two or four times as large, the part beside the model, and faults.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fixture, split } from '../web/safetensors.mjs';
import { readPpm, root, tesserae, tinyModel, workFolder, writePpm } from './programs.mjs';

const whole = path.join(root, 'tests/fixtures/twin/upscaler.safetensors'); // tiny nets, with upscalers for both factors in the file

for (const program of ['native', 'wasm']) {
    test(`sizes, factors and sharpness (${program})`, (t) => {
        const folder = workFolder(t);
        const at = (name) => path.join(folder, name);
        writePpm(at('in.ppm'), 21, 13);
        const run = (out, ...words) => {
            const made = tesserae(program, ['upscale', at('in.ppm'), '-o', out, '-m', whole, '--threads', '1', ...words]);
            assert.equal(made.code, 0, made.fault);
            return made;
        };
        const { text } = run(at('a.ppm'), '--json');
        const { ms, ...said } = JSON.parse(text);
        assert.deepEqual(said, { file: at('in.ppm'), output: at('a.ppm'), width: 84, height: 52 });
        assert.ok(ms > 0);
        const large = readPpm(readFileSync(at('a.ppm')));
        assert.deepEqual([large.width, large.height], [84, 52]);
        run(at('b.ppm'), '-f', '4', '-s', '1');
        assert.ok(readFileSync(at('b.ppm')).equals(readFileSync(at('a.ppm'))));
        run(at('c.ppm'), '-s', '0');
        assert.ok(!readFileSync(at('c.ppm')).equals(readFileSync(at('a.ppm'))));
        assert.equal(run('-', '--factor', '2').out.subarray(1, 4).toString(), 'PNG');
    });
}

test('the upscaler may be a file beside the model, or be named', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    const info = JSON.parse(tesserae('native', ['info', whole, '--json']).text);
    const { model, part } = split(fixture('upscaler'), 'upscaler', info.info.hash);
    writePpm(at('in.ppm'), 9, 9);
    writeFileSync(at('m.safetensors'), model);
    const run = (...words) => tesserae('native', ['upscale', at('in.ppm'), '-o', at('out.ppm'), '-m', at('m.safetensors'), ...words]);
    const missing = run();
    assert.equal(missing.code, 1);
    assert.match(missing.fault, /has no upscaler: .*m\.upscaler\.safetensors is not there; name one by --part/);
    mkdirSync(at('elsewhere'));
    writeFileSync(at('elsewhere/p.safetensors'), part);
    assert.equal(run('--part', at('elsewhere/p.safetensors')).code, 0);
    const named = readFileSync(at('out.ppm'));
    writeFileSync(at('m.upscaler.safetensors'), part);
    assert.equal(run().code, 0);
    assert.ok(named.equals(readFileSync(at('out.ppm'))));
    const other = tesserae('native', ['upscale', at('in.ppm'), '-o', at('x.ppm'), '-m', tinyModel, '--part', at('m.upscaler.safetensors')]);
    assert.equal(other.code, 1);
    assert.match(other.fault, /belongs to the model/);
    assert.ok(!existsSync(at('x.ppm')));
});

test('refuses what it cannot do, and says why', (t) => {
    const folder = workFolder(t);
    const out = path.join(folder, 'x.png'), input = path.join(folder, 'in.ppm');
    writePpm(input, 8, 8);
    const refused = [
        [['upscale'], 2, /IN/],
        [['upscale', input], 2, /-o/],
        [['upscale', input, input, '-o', out], 2, /one thing too many/],
        [['upscale', input, '-o', out, '--factor', '3'], 2, /2 or 4, not 3/],
        [['upscale', input, '-o', out, '-f', '8'], 2, /from 2 to 4/],
        [['upscale', input, '-o', out, '-s', '1.5'], 2, /from 0 to 1/],
        [['upscale', input, '-o', '-', '--json'], 2, /both go to standard output/],
        [['upscale', 'nowhere.png', '-o', out, '-m', whole], 1, /nowhere\.png/],
        [['upscale', input, '-o', out, '-m', 'nowhere'], 1, /nowhere/],
        [['upscale', input, '-o', out, '-m', whole, '--part', 'gone'], 1, /gone/],
    ];
    for (const [list, code, pattern] of refused) {
        const result = tesserae('native', list);
        assert.equal(result.code, code, list.join(' '));
        assert.match(result.fault, pattern, list.join(' '));
        assert.ok(!existsSync(out));
    }
});
