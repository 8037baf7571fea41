// Bad words and bad files: exit code 2 or 1, a sentence that names the fault, and earlier output untouched.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { zipSync } from 'fflate';
import { golden, programs, tesserae, tinyModel, workFolder, writePng, writePpm } from './programs.mjs';

const model = ['-m', tinyModel];

const badUsage = [
    [[], /tesserae VERB --help/],
    [['fly'], /no verb 'fly'/],
    [['encode'], /IN/],
    [['encode', 'a', '--speed', '3'], /no option --speed/],
    [['encode', 'a', '-q'], /--quality needs a value/],
    [['encode', 'a', '-q', '101'], /from 0 to 100.*101/],
    [['encode', 'a', '-q', '50x'], /50x/],
    [['encode', 'a', '-e', '2.5'], /whole number/],
    [['encode', 'a', '-q', '50', '--bpp', '1'], /exclude each other/],
    [['encode', 'a', 'b', '-o', 'c'], /2 to encode/],
    [['encode', 'a', '-o', 'c', '-d', 'd'], /exclude each other/],
    [['encode', '-', '--json'], /standard output/],
    [['decode', 'a', '--levels', '0'], /from 1 to 16/],
    [['decode', 'a', '--json=1'], /takes no value/],
    [['tokens', 'a', 'b'], /'b' is one thing too many/],
    [['train', 'a'], /-o/],
    [['train', 'a', '-o', 'b'], /-c/],
    [['train', 'a', '-o', 'b', '-c', 'c', '--features', 'd'], /go together/],
    [['eval', 'a', '--bpp', '0.1,zero'], /0\.1,zero/],
];

for (const program of ['native', 'wasm']) {
    describe(`tesserae (${program}) refuses`, () => {
        test('bad usage', () => {
            for (const [words, pattern] of badUsage) {
                const result = tesserae(program, words);
                assert.equal(result.code, 2, words.join(' '));
                assert.match(result.fault, pattern, words.join(' '));
                assert.equal(result.text, '');
            }
        });

        test('files that are not there or not what they should be', (t) => {
            const folder = workFolder(t);
            const at = (name) => path.join(folder, name);
            const tess = readFileSync(path.join(golden, 'tiles.tess'));
            writeFileSync(at('empty.png'), '');
            writeFileSync(at('text.png'), 'not a picture');
            writePpm(at('ok.ppm'), 8, 8);
            writePng(at('huge.png'), 4, 4, [70000, 70000]);
            writeFileSync(at('cut.tess'), tess.subarray(0, 30));
            const flipped = Buffer.from(tess);
            flipped[tess.length - 20] ^= 8;
            writeFileSync(at('flipped.tess'), flipped);
            const version = Buffer.from(tess);
            version[4] = 99;
            writeFileSync(at('version.tess'), version);
            writeFileSync(at('other.zip'), zipSync({ 'hello.txt': Buffer.from('hello') }, { level: 0 }));
            const foreign = Buffer.from(readFileSync(tinyModel)); // the same nets with another first code: a foreign model
            foreign.writeFloatLE(0.5, 8 + Number(foreign.readBigUInt64LE(0)));
            writeFileSync(at('foreign.safetensors'), foreign);
            writeFileSync(at('model.safetensors'), readFileSync(tinyModel).subarray(0, 5000));
            const cases = [
                [['encode', at('none.png'), ...model], /none\.png.*opened/],
                [['encode', folder, ...model], /folder/],
                [['encode', at('empty.png'), ...model], /empty\.png.*empty/],
                [['encode', at('text.png'), ...model], /text\.png is not a picture.*use PNG or JPEG/],
                [['encode', at('ok.ppm'), '-m', at('text.png')], /text\.png: .*no safetensors file.*check/],
                [['import', at('other.zip'), at('m.safetensors')], /other\.zip: .*torch\.save has not written.*give the \.ckpt/],
                [['import', at('text.png'), at('m.safetensors')], /text\.png: .*check/],
                [['encode', at('huge.png'), ...model], /huge\.png.*(large|65535)/],
                [['decode', at('cut.tess'), ...model], /cut\.tess.*(cut|ends)/],
                [['decode', at('version.tess'), ...model], /version\.tess.*version/i],
                [['decode', at('flipped.tess'), '--strict', ...model], /flipped\.tess.*(checksum|damaged)/i],
                [['decode', at('text.png'), ...model], /text\.png/],
                [['decode', path.join(golden, 'colour.tess'), '-o', at('x.png'), '-m', at('foreign.safetensors')], /colour\.tess: .*made with model [0-9a-f]{16}, but model [0-9a-f]{16} is loaded: load/],
                [['encode', at('ok.ppm'), '-m', at('model.safetensors')], /model\.safetensors/],
                [['encode', at('ok.ppm'), '-m', at('none.safetensors')], /none\.safetensors/],
                [['encode', at('ok.ppm'), '--size', '10', ...model], /10 bytes/],
                [['info', at('text.png')], /text\.png/],
                [['info', at('cut.tess')], /cut\.tess/],
                [['train', folder, '-c', at('text.png'), '-o', at('m.safetensors')], /text\.png: The JSON is malformed.*byte \d+\. Mend the config there, or give one such as/],
                [['train', at('none'), '-c', at('text.png'), '-o', at('m.safetensors')], /none|text/],
            ];
            const before = readdirSync(folder).length;
            for (const [words, pattern] of cases) {
                const result = tesserae(program, words);
                assert.equal(result.code, 1, `${words.join(' ')}\n${result.fault}`);
                assert.match(result.fault, pattern, words.join(' '));
                assert.match(result.fault, /^tesserae: /);
                assert.equal(result.fault.trim().split('\n').length, 1, result.fault);
            }
            assert.equal(readdirSync(folder).length, before, 'nothing was written');
        });

        test('damage, but shows what it can', (t) => {
            const folder = workFolder(t);
            const flipped = Buffer.from(readFileSync(path.join(golden, 'tiles.tess')));
            flipped[flipped.length - 20] ^= 8;
            writeFileSync(path.join(folder, 'a.tess'), flipped);
            const result = tesserae(program, ['decode', path.join(folder, 'a.tess'), '--json', ...model]);
            assert.equal(result.code, 1);
            assert.equal(JSON.parse(result.text).damaged, 1);
            assert.match(result.fault, /damaged/);
            assert.ok(readdirSync(folder).includes('a.png'));
        });

        test('a full disk, and leaves the earlier file as it was', (t) => {
            const folder = workFolder(t);
            const picture = writePpm(path.join(folder, 'a.ppm'), 40, 40);
            const full = tesserae(program, ['encode', picture, '-o', '/dev/full', ...model]);
            assert.equal(full.code, 1);
            assert.match(full.fault, /\/dev\/full.*(space|room)/);
            const out = path.join(folder, 'a.png');
            writeFileSync(out, 'earlier');
            // A limit on the size of files stands in for a disk that fills up while the picture is written.
            const [command, ...first] = programs[program];
            const words = [...first, 'decode', path.join(golden, 'tiles.tess'), '-o', out, ...model];
            const limited = spawnSync('bash', ['-c', 'trap "" XFSZ; ulimit -f 8; exec "$0" "$@"', command, ...words]);
            assert.equal(limited.status, 1, limited.stderr.toString());
            assert.match(limited.stderr.toString(), /a\.png/);
            assert.equal(readFileSync(out, 'utf8'), 'earlier');
            assert.deepEqual(readdirSync(folder).sort(), ['a.png', 'a.ppm']);
        });

        test('to leave what killed programs have left, and touches nothing else', (t) => {
            const folder = workFolder(t);
            const dead = 999_999_999; // above what systems give
            const stay = [`a.png.${process.pid}.tmp`, 'a.png.tmp', 'a.png.12x.tmp', `b.png.${dead}.tmp`, `a.png.${dead}.tmp2`, `xa.png.${dead}.tmp`];
            for (const name of [...stay, `a.png.${dead}.tmp`]) writeFileSync(path.join(folder, name), 'half a pict');
            const words = ['decode', path.join(golden, 'tiles.tess'), '-o', path.join(folder, 'a.png'), ...model];
            assert.equal(tesserae(program, words).code, 0);
            assert.deepEqual(readdirSync(folder).sort(), ['a.png', ...stay].sort());
            writeFileSync(path.join(folder, `a.png.${dead}.tmp`), 'half a pict');
            words[words.indexOf('-o') + 1] = 'a.png';
            assert.equal(tesserae(program, words, { cwd: folder }).code, 0);
            assert.deepEqual(readdirSync(folder).sort(), ['a.png', ...stay].sort());
        });

        test('nothing when asked for help', () => {
            for (const verb of ['encode', 'decode', 'info', 'tokens', 'codebook', 'train', 'eval', 'bench']) {
                const result = tesserae(program, [verb, '--help']);
                assert.equal(result.code, 0);
                assert.match(result.text, new RegExp(`^usage: tesserae ${verb}`));
                assert.equal(result.fault, '');
            }
            assert.match(tesserae(program, ['--help']).text, /tesserae encode/);
            assert.match(tesserae(program, ['--version']).text, /^tesserae \d+\.\d+\.\d+ \(/);
        });
    });
}
