// The second reader, tools/read_tess.py, written from docs/FORMAT.md: it reads what the core reads. Python is there wherever emcc is.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { withPredictors } from '../web/predictor.mjs';
import { crc32, golden, root, tesserae, tinyModel, workFolder } from './programs.mjs';

/** The header and the checksum of all tokens, as the second reader has them. */
function second(file, model) {
    const { status, stdout, stderr } = spawnSync(process.env.PYTHON ?? 'python3', [path.join(root, 'tools/read_tess.py'), file, '--model', model], { encoding: 'utf8' });
    return { status, fault: stderr, header: status ? undefined : JSON.parse(stdout.split('\n')[0]), tokens: stdout.match(/^tokens (\w{8})$/m)?.[1] };
}

test('golden files', () => {
    for (const line of readFileSync(path.join(golden, 'golden.txt'), 'utf8').trim().split('\n')) {
        const [name, , , , tokens] = line.split(' ');
        assert.equal(second(path.join(golden, `${name}.tess`), tinyModel).tokens, tokens, name);
    }
});

test('files coded with predictors', (t) => {
    const folder = workFolder(t);
    const at = (name) => path.join(folder, name);
    writeFileSync(at('model.safetensors'), withPredictors(readFileSync(tinyModel), [0, 2]));
    writeFileSync(at('other.safetensors'), withPredictors(readFileSync(tinyModel), [0, 2], 2));
    const noise = Uint8Array.from({ length: 97 * 61 * 3 }, (_, i) => Math.imul(i + 1, 0x9e3779b9) >>> 24);
    writeFileSync(at('a.ppm'), Buffer.concat([Buffer.from('P6\n97 61\n255\n'), noise]));
    for (const words of [[], ['--predict']]) {
        assert.equal(tesserae('native', ['encode', at('a.ppm'), '-o', at('a.tess'), '-q', '100', '-m', at('model.safetensors'), ...words]).code, 0);
        const { data } = JSON.parse(tesserae('native', ['tokens', at('a.tess'), '-m', at('model.safetensors')]).text);
        assert.ok(new Set(data).size > 20, 'many tokens');
        const { tokens, header, fault } = second(at('a.tess'), at('model.safetensors'));
        assert.equal(tokens, crc32(Buffer.from(Uint16Array.from(data).buffer)).toString(16).padStart(8, '0'), fault);
        assert.equal(header.flags, words.length ? 4 : 0);
    }
    assert.match(second(at('a.tess'), at('other.safetensors')).fault, /coded with predictors/);
});
