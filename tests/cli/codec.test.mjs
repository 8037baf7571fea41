// encode, decode, info, tokens, codebook, eval: native, scalar and as WebAssembly, with a tiny model.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { withPredictors } from '../web/predictor.mjs';
import { golden, programs, readPpm, tesserae, tinyModel, workFolder, writePng, writePpm } from './programs.mjs';

const model = ['-m', tinyModel];

function psnr(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
    return 10 * Math.log10((255 ** 2 * a.length) / sum);
}

for (const program of Object.keys(programs)) {
    describe(`tesserae (${program})`, () => {
        test('encodes and decodes a picture', (t) => {
            const folder = workFolder(t);
            const picture = writePpm(path.join(folder, 'a.ppm'), 133, 70);
            const encoded = tesserae(program, ['encode', picture, '--bpp', '0.12', '--json', ...model]);
            assert.equal(encoded.code, 0, encoded.fault);
            const report = JSON.parse(encoded.text);
            assert.equal(report.output, path.join(folder, 'a.tess'));
            assert.deepEqual([report.width, report.height], [133, 70]);
            assert.ok(report.bpp <= 0.12 && report.bpp > 0.09, `${report.bpp} bpp`);
            assert.equal(readFileSync(report.output).length, report.bytes);
            const out = path.join(folder, 'b.ppm');
            const decoded = tesserae(program, ['decode', report.output, '-o', out, ...model]);
            assert.equal(decoded.code, 0, decoded.fault);
            const { width, height, pixels } = readPpm(readFileSync(out));
            assert.deepEqual([width, height], [133, 70]);
            assert.ok(psnr(pixels, readPpm(readFileSync(picture)).pixels) > 5);
            assert.deepEqual(readdirSync(folder).sort(), ['a.ppm', 'a.tess', 'b.ppm'], 'no temporary files stay');
        });

        test('keeps transparency, in PNG both ways', (t) => {
            const folder = workFolder(t);
            const picture = writePng(path.join(folder, 'a.png'), 40, 30);
            assert.equal(tesserae(program, ['encode', picture, ...model]).code, 0);
            const info = tesserae(program, ['info', path.join(folder, 'a.tess'), '--json']);
            assert.equal(JSON.parse(info.text).info.channels, 4);
            const decoded = tesserae(program, ['decode', path.join(folder, 'a.tess'), '--json', '-o', path.join(folder, 'b.png'), ...model]);
            assert.equal(JSON.parse(decoded.text).channels, 4);
            assert.equal(tesserae(program, ['encode', picture, '--drop-alpha', ...model]).code, 0);
            assert.equal(JSON.parse(tesserae(program, ['info', path.join(folder, 'a.tess'), '--json']).text).info.channels, 3);
        });

        test('reconstructs a picture as decoding its tokens would', (t) => {
            const folder = workFolder(t);
            const picture = writePpm(path.join(folder, 'a.ppm'), 61, 45), out = path.join(folder, 'b.ppm'), plain = path.join(folder, 'c.ppm');
            const made = tesserae(program, ['reconstruct', picture, out, '--json', ...model]);
            assert.equal(made.code, 0, made.fault);
            const report = JSON.parse(made.text);
            const [before, after] = [picture, out].map((name) => readPpm(readFileSync(name)));
            assert.deepEqual([after.width, after.height], [61, 45]);
            assert.ok(Math.abs(report.psnr - psnr(before.pixels, after.pixels)) < 1e-3);
            assert.equal(tesserae(program, ['reconstruct', picture, plain, '--latents', ...model]).code, 0);
            assert.notDeepEqual(readFileSync(plain), readFileSync(out), 'the quantizer makes a difference');
            assert.equal(tesserae(program, ['reconstruct', picture, ...model]).code, 2);
            assert.equal(tesserae(program, ['reconstruct', path.join(folder, 'no.png'), out, ...model]).code, 1);
        });

        test('pipes from standard input to standard output', (t) => {
            const folder = workFolder(t);
            const picture = readFileSync(writePpm(path.join(folder, 'a.ppm'), 48, 32));
            const encoded = tesserae(program, ['encode', '-', ...model], { input: picture });
            assert.equal(encoded.code, 0, encoded.fault);
            const decoded = tesserae(program, ['decode', '-', ...model], { input: encoded.out });
            assert.equal(decoded.code, 0, decoded.fault);
            assert.equal(decoded.out.subarray(1, 4).toString(), 'PNG');
            const tokens = tesserae(program, ['tokens', '-', ...model], { input: encoded.out });
            assert.equal(JSON.parse(tokens.text).width, 12);
        });

        test('goes on after a bad file, and says so by its exit code', (t) => {
            const folder = workFolder(t);
            const good = [writePpm(path.join(folder, 'a.ppm'), 20, 20), writePpm(path.join(folder, 'c.ppm'), 21, 20)];
            const bad = path.join(folder, 'b.png');
            writeFileSync(bad, '');
            const out = path.join(folder, 'out');
            const result = tesserae(program, ['encode', good[0], bad, good[1], '-d', out, ...model]);
            assert.equal(result.code, 1);
            assert.match(result.fault, /b\.png.*empty/);
            assert.deepEqual(readdirSync(out).sort(), ['a.tess', 'c.tess']);
        });

        test('golden files give the same tokens', (t) => {
            const folder = workFolder(t);
            for (const line of readFileSync(path.join(golden, 'golden.txt'), 'utf8').trim().split('\n')) {
                const [name, levels, rows, columns, crc] = line.split(' ');
                const out = path.join(folder, `${name}.json`);
                const result = tesserae(program, ['tokens', path.join(golden, `${name}.tess`), '-o', out, ...model]);
                assert.equal(result.code, 0, result.fault);
                const grid = JSON.parse(readFileSync(out, 'utf8'));
                assert.deepEqual([grid.levels, grid.height, grid.width], [levels, rows, columns].map(Number), name);
                assert.equal(crcOfTokens(grid.data), crc, name);
            }
        });

        test('tells about files and models', () => {
            const file = tesserae(program, ['info', path.join(golden, 'tiles.tess'), tinyModel, '--json']);
            assert.equal(file.code, 0, file.fault);
            const [tess, tiny] = file.text.trim().split('\n').map((line) => JSON.parse(line));
            assert.equal(tess.info.tiles, 4);
            assert.equal(tess.info.model, tiny.info.hash);
            const sum = tess.info.levelBytes.reduce((a, b) => a + b) + tess.info.alphaBytes + tess.info.headerBytes;
            assert.equal(sum, tess.info.bytes);
            assert.match(tesserae(program, ['info', tinyModel]).text, /hash +[0-9a-f]{16}/);
        });

        test('codes with predictors, where the model has some', (t) => {
            const folder = workFolder(t);
            const own = path.join(folder, 'model.safetensors'), picture = writePpm(path.join(folder, 'a.ppm'), 133, 70), file = path.join(folder, 'a.tess');
            writeFileSync(own, withPredictors(readFileSync(tinyModel), [0, 2]));
            const run = (...words) => {
                const made = tesserae(program, [...words, '-m', own]);
                assert.equal(made.code, 0, made.fault);
                return made;
            };
            const grid = () => JSON.parse(run('tokens', file).text).data;
            const about = (name) => JSON.parse(tesserae(program, ['info', name, '--json']).text).info;
            run('encode', picture, '--effort', '0');
            const [plain, tokens] = [readFileSync(file), grid()];
            assert.equal(about(file).coder, 'context');
            run('encode', picture, '--effort', '0', '--predict');
            assert.equal(about(file).coder, 'predictor');
            assert.ok(!readFileSync(file).equals(plain));
            assert.deepEqual(grid(), tokens);
            assert.deepEqual([about(own).predictors, about(tinyModel).predictors], [2, 0]);
            const scored = (...words) => JSON.parse(run('eval', folder, '-q', '60', '--json', ...words).text.split('\n')[0]).bpp;
            assert.notEqual(scored('--predict'), scored());

            const without = tesserae(program, ['decode', file, '-o', path.join(folder, 'b.ppm'), ...model]);
            assert.equal(without.code, 1);
            assert.match(without.fault, /coded with predictors/);
            const refused = tesserae(program, ['encode', picture, '--predict', ...model]);
            assert.equal(refused.code, 1);
            assert.match(refused.fault, /The model tiny has no predictors; encode without option predict/);
        });

        test('draws the codebook', (t) => {
            const out = path.join(workFolder(t), 'atlas.ppm');
            for (const level of [0, 2]) {
                const result = tesserae(program, ['codebook', ...model, '-o', out, '--level', String(level)]);
                assert.equal(result.code, 0, result.fault);
                const { width, height, pixels } = readPpm(readFileSync(out)); // 32 codes in 6 x 6 cells of 4 x 4 px tokens
                assert.deepEqual([width, height], [6 * 16, 6 * 16]);
                assert.ok(new Set(pixels).size > 16);
            }
            assert.equal(tesserae(program, ['codebook', ...model, '-o', out, '--level', '3']).code, 1);
        });

        test('decodes fewer levels', (t) => {
            const folder = workFolder(t);
            const sums = [1, 2, 3].map((levels) => {
                const out = path.join(folder, `${levels}.ppm`);
                assert.equal(tesserae(program, ['decode', path.join(golden, 'tiles.tess'), '--levels', String(levels), '-o', out, ...model]).code, 0);
                return readFileSync(out).toString('base64');
            });
            assert.equal(new Set(sums).size, 3);
        });

        test('scores a folder', (t) => {
            const folder = workFolder(t);
            writePpm(path.join(folder, 'a.ppm'), 64, 64);
            writePpm(path.join(folder, 'b.ppm'), 50, 80);
            const result = tesserae(program, ['eval', folder, '--bpp', '0.5,1', '--json', ...model]);
            assert.equal(result.code, 0, result.fault);
            const lines = result.text.trim().split('\n').map((line) => JSON.parse(line));
            assert.equal(lines.length, 6);
            for (const line of lines.slice(0, 4)) assert.ok(line.bpp <= line.target && line.msSsim <= 1 && line.psnr > 0);
            assert.deepEqual(lines.slice(4).map((line) => line.images), [2, 2]);
            assert.match(tesserae(program, ['eval', folder, '-q', '50', ...model]).text, /quality +bpp +PSNR +SSIM +MS-SSIM/);
            const empty = path.join(folder, 'empty');
            mkdirSync(empty);
            assert.equal(tesserae(program, ['eval', empty, ...model]).code, 1);
        });
    });
}

function crcOfTokens(tokens) {
    let crc = ~0;
    for (const token of tokens) {
        for (const byte of [token & 255, token >> 8]) {
            crc ^= byte;
            for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return (~crc >>> 0).toString(16).padStart(8, '0');
}

test('all builds make the same picture within one step of 255', (t) => {
    const folder = workFolder(t);
    const outs = Object.keys(programs).map((program) => {
        const out = path.join(folder, `${program}.ppm`);
        assert.equal(tesserae(program, ['decode', path.join(golden, 'tiles.tess'), '-o', out, ...model]).code, 0);
        return readPpm(readFileSync(out)).pixels;
    });
    for (const other of outs.slice(1)) for (let i = 0; i < other.length; i++) assert.ok(Math.abs(other[i] - outs[0][i]) <= 1);
});

test('finds the model by TESSERAE_MODEL', (t) => {
    const folder = workFolder(t);
    const copy = path.join(folder, 'a.tess');
    copyFileSync(path.join(golden, 'colour.tess'), copy);
    for (const program of Object.keys(programs)) {
        const result = tesserae(program, ['decode', copy, '-o', path.join(folder, 'a.png')], { env: { TESSERAE_MODEL: tinyModel } });
        assert.equal(result.code, 0, result.fault);
        assert.ok(existsSync(path.join(folder, 'a.png')));
    }
});
