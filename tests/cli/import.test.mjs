// tesserae import: native and WebAssembly make the same model file; the shipped pair of taef2, where it is at hand.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkpoint } from '../web/field.mjs';
import { programs, root, tesserae, workFolder } from './programs.mjs';

test('imports a checkpoint, and a pair, to the same bytes everywhere', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    writeFileSync(at('vqgan.safetensors'), checkpoint('diffusers'));
    for (const part of ['encoder', 'decoder']) writeFileSync(at(`${part}.safetensors`), checkpoint('tiny', `${part}.`));
    for (const words of [['vqgan'], ['encoder', 'decoder']]) {
        const inputs = words.map((word) => at(`${word}.safetensors`));
        const made = Object.keys(programs).map((program) => {
            const out = at(`${program}-${words[0]}.model`);
            const result = tesserae(program, ['import', ...inputs, out]);
            assert.equal(result.code, 0, result.fault);
            return readFileSync(out);
        });
        for (const bytes of made) assert.ok(bytes.equals(made[0]));
        assert.match(tesserae('native', ['info', at(`native-${words[0]}.model`)]).text, /model\n/);
        const half = tesserae('native', ['import', '--half', ...inputs, at('half.model')]);
        assert.equal(half.code, 0, half.fault);
        assert.ok(readFileSync(at('half.model')).length < 0.6 * made[0].length);
    }
});

test('says what is wrong with a checkpoint', (t) => {
    const out = path.join(workFolder(t), 'out.safetensors');
    const corpus = path.join(root, 'tests/fuzz/corpus/torch');
    for (const [words, says] of [
        [[path.join(corpus, 'evil.pt'), out], /evil\.pt: .*os\.system/],
        [[path.join(corpus, 'missing.pt'), out], /missing\.pt/],
        [['--half', '--full', path.join(corpus, 'plain.pt'), out], /exclude/],
    ]) {
        const result = tesserae('native', ['import', ...words]);
        assert.notEqual(result.code, 0);
        assert.match(result.fault, says);
        assert.ok(!existsSync(out));
    }
});

test('the pretrained pair taef2 reconstructs photos at 30 dB', (t) => {
    const shared = process.env.TESSERAE_SHARED ?? path.join(root, '../shared');
    const halves = ['encoder', 'decoder'].map((half) => path.join(shared, `weights/taef2-${half}.safetensors`));
    const photos = ['1001682', '1089930', '1200348', '1391487'].map((name) => path.join(shared, `data/photos-dev/${name}.png`));
    const missing = [...halves, ...photos].find((file) => !existsSync(file));
    if (missing) return t.skip(`${path.relative(shared, missing)} is not at hand (TESSERAE_SHARED names its folder)`);
    const folder = workFolder(t);
    const model = path.join(folder, 'taef2.safetensors');
    const made = tesserae('native', ['import', ...halves, model]);
    assert.equal(made.code, 0, made.fault);
    const psnr = photos.map((photo) => {
        const result = tesserae('native', ['reconstruct', photo, path.join(folder, 'out.png'), '--model', model, '--json']);
        assert.equal(result.code, 0, result.fault);
        return JSON.parse(result.text).psnr;
    });
    const mean = psnr.reduce((a, b) => a + b) / psnr.length;
    assert.ok(mean >= 30, `mean PSNR ${mean}`);
});
