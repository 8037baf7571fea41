// Checkpoints of the field as models of the package: tokens and pixels as PyTorch got them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCodec, loadModel } from '../../dist/node.js';
import { checkpoint, expected } from './field.mjs';

const corpus = new URL('../fuzz/corpus/torch/', import.meta.url);

test('a VQGAN checkpoint gives the tokens and pixels of PyTorch', async () => {
  const model = await loadModel(checkpoint('taming'));
  const { image, tokens, output } = expected('taming');
  const [height, width] = image.shape;
  assert.equal(model.info.name, 'vqgan-f4-64');
  const codec = await createCodec({ model });
  const got = await codec.tokenize({ data: image.data, width, height, channels: 3 });
  assert.deepEqual([...got.data], [...tokens.data]);
  const { data } = await codec.detokenize(got);
  const off = output.data.map((v, i) => Math.abs(v - data[Math.floor(i / 3) * 4 + (i % 3)]));
  assert.ok(Math.max(...off) <= 1, `off by ${Math.max(...off)}`);
  codec.dispose();
});

test('an imported model saves as a model file that is the same model', async () => {
  const model = await loadModel(checkpoint('llamagen'));
  const again = await loadModel(await model.save());
  assert.deepEqual(again.info, model.info);
  assert.equal(model.info.bytes, (await model.save()).length);
  const direct = await createCodec({ model: checkpoint('llamagen') });
  assert.equal(direct.model.hash, model.info.hash, 'a codec takes the checkpoint itself too');
  direct.dispose();
});

test('an encoder and a decoder in two files make one model', async () => {
  const [encoder, decoder] = ['encoder.', 'decoder.'].map((part) => checkpoint('tiny', part));
  const model = await loadModel([decoder, encoder]);
  assert.equal(model.info.hash, (await loadModel(checkpoint('tiny'))).info.hash);
  assert.equal(model.info.levels, 0);
  await assert.rejects(loadModel(encoder), (e) => e.code === 'ERR_MODEL' && /only the encoder/.test(e.message));
});

test('what cannot be imported is refused with its reason', async () => {
  for (const [file, code, says] of [
    ['evil.pt', 'ERR_FORMAT', /os\.system/],
    ['legacy.pt', 'ERR_FORMAT', /before 1\.6/],
    ['deflated.pt', 'ERR_FORMAT', /compressed/],
    ['plain.pt', 'ERR_MODEL', /neither a Tesserae model/],
  ]) await assert.rejects(loadModel(await readFile(new URL(file, corpus))), (e) => e.code === code && says.test(e.message), file);
});

test('a source that is no model is refused by its name, with a cure', async () => {
  for (const [source, code, says] of [
    ['nothing.safetensors', 'ERR_LOAD', /^nothing\.safetensors could not be read.*Check the path/],
    [fileURLToPath(new URL('evil.pt', corpus)), 'ERR_FORMAT', /evil\.pt: .*os\.system/],
    [fileURLToPath(import.meta.url), 'ERR_MODEL', /import\.test\.mjs.*Give a \.safetensors file/],
    [new TextEncoder().encode('a sentence'), 'ERR_MODEL', /in these bytes.*Give a \.safetensors file/],
    [5, 'ERR_INPUT', /Expected a model: its name, path or URL.*got number/],
  ]) {
    const fits = (e) => e.code === code && says.test(e.message);
    await assert.rejects(loadModel(source), fits, String(source));
    await assert.rejects(createCodec({ model: source }), fits, `codec of ${source}`);
  }
  await assert.rejects(loadModel('photo', { signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
});
