// Upscaling through the package as built: the twin's values, sharpness, alpha, progress, cancelling, errors.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createCodec } from '../../dist/node.js';
import { Core } from '../../web/core.js';
import { upscale } from '../../web/upscaler-core.js';
import { scene } from './pictures.mjs';
import { fixture, readFixture } from './safetensors.mjs';

const model = fixture('upscaler'); // a model of tiny nets, with upscalers for both factors in its file
const { tensors } = readFixture(fixture('upscaler_values'));
/** @type {import('../../web/types').Codec} */
let codec;
before(async () => {
  codec = await createCodec({ model, threads: 1 });
});
after(() => codec?.dispose());

/** One of the twin's answers, [3][h][w] in [-1, 1], as RGBA. */
function answer(name, kind) {
  const { shape, data } = tensors[`${name}.${kind}`];
  const values = new Float32Array(data.slice().buffer), [, , height, width] = shape, plane = height * width;
  const byte = (v) => Math.max(0, Math.min(255, Math.floor((v + 1) * 127.5 + 0.5)));
  return { width, height, at: (i, c) => byte(values[c * plane + i]) };
}

test('the model says what it can do', () => {
  assert.deepEqual(codec.model.tasks, ['compress', 'reconstruct', 'inpaint', 'upscale']);
  assert.deepEqual(codec.model.upscaler.factors, [2, 4]);
  assert.ok(codec.model.upscaler.params > 1000);
});

for (const name of ['2.even', '2.odd', '4.even', '4.odd'])
  for (const [sharpness, kind] of [[0, 'smooth'], [1, 'sharp']])
    test(`${name}, ${kind}: the twin's picture`, async () => {
      const { shape: [, height, width], data } = tensors[`${name}.x`];
      const made = await codec.upscale({ data: data.slice(), width, height, channels: 3 }, { factor: Number(name[0]), sharpness });
      const wanted = answer(name, kind);
      assert.deepEqual([made.width, made.height], [wanted.width, wanted.height]);
      let worst = 0;
      for (let i = 0; i < made.width * made.height; i++) {
        for (let c = 0; c < 3; c++) worst = Math.max(worst, Math.abs(made.data[4 * i + c] - wanted.at(i, c)));
        assert.equal(made.data[4 * i + 3], 255);
      }
      assert.ok(worst <= 1, `off by ${worst}`);
    });

test('four times as large and sharp, where nothing else is said; between smooth and sharp lies their mixture', async () => {
  const image = scene(20, 14);
  const plain = await codec.upscale(image);
  assert.deepEqual([plain.width, plain.height], [80, 56]);
  assert.deepEqual(plain.data, (await codec.upscale(image, { factor: 4, sharpness: 1 })).data);
  const [smooth, half] = await Promise.all([0, 0.5].map((sharpness) => codec.upscale(image, { sharpness })));
  assert.notDeepEqual(smooth.data, plain.data);
  half.data.forEach((v, i) => {
    const [a, b] = [smooth.data[i], plain.data[i]];
    if (a % 255 && b % 255) assert.ok(Math.abs(v - (a + b) / 2) <= 1.01);
  });
});

test('alpha is enlarged beside the colours; grey stays grey', async () => {
  const data = new Uint8ClampedArray(16 * 16 * 4).map((_, i) => (i % 4 === 3 ? (i % 64 < 32 ? 0 : 255) : 100 + (i % 7)));
  const made = await codec.upscale({ data, width: 16, height: 16, channels: 4 }, { factor: 2 });
  const row = Array.from({ length: 32 }, (_, x) => made.data[(10 * 32 + x) * 4 + 3]);
  assert.deepEqual([row[0], row[12], row[19], row[31]], [0, 0, 255, 255]);
  assert.ok(row[15] > 0 && row[15] < row[16] && row[16] < 255, String(row));
  const grey = await codec.upscale({ data: new Uint8Array(35).map((_, i) => i * 7), width: 7, height: 5, channels: 1 });
  for (let i = 0; i < grey.data.length; i += 4) assert.ok(grey.data[i] === grey.data[i + 1] && grey.data[i] === grey.data[i + 2]);
});

test('progress rises to the end; a signal ends the call, and the next one works', async () => {
  const heard = [];
  await codec.upscale(scene(300, 200), { onProgress: (p) => heard.push(p) });
  assert.ok(heard.every(({ status, stage, total }) => status === 'work' && stage === 'upscale' && total === 1));
  assert.ok(heard.every(({ done }, i) => !i || done >= heard[i - 1].done));
  assert.equal(heard.at(-1).done, 1);
  const reason = new Error('enough');
  await assert.rejects(codec.upscale(scene(16, 16), { signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const asked = codec.upscale(scene(500, 400), { signal: stop.signal, onProgress: () => stop.abort(reason) });
  await assert.rejects(asked, reason);
  assert.equal((await codec.upscale(scene(8, 8))).width, 32);
});

test('on the calling thread too, with the same pixels', async () => {
  const here = await createCodec({ model, workers: 0 });
  assert.deepEqual((await here.upscale(scene(30, 20), { sharpness: 0.4 })).data, (await codec.upscale(scene(30, 20), { sharpness: 0.4 })).data);
  await here.dispose();
});

describe('errors say what to do', () => {
  for (const [what, options, code, said] of [
    ['a misspelt option', { sharpnes: 1 }, 'ERR_OPTION', /"sharpnes".*sharpness/],
    ['a factor in between', { factor: 3 }, 'ERR_OPTION', /3; it must be 2 or 4/],
    ['a factor of another type', { factor: '4' }, 'ERR_OPTION', /factor is "4"; it must be a number/],
    ['too sharp', { sharpness: 2 }, 'ERR_OPTION', /from 0 \(smooth\) to 1/],
    ['sharp without measure', { sharpness: NaN }, 'ERR_OPTION', /sharpness is NaN/],
  ])
    test(what, () => assert.rejects(codec.upscale(scene(8, 8), options), { code, message: said }));
  test('a picture that would be too large', () =>
    assert.rejects(codec.upscale({ data: new Uint8Array(20000), width: 20000, height: 1, channels: 1 }), { code: 'ERR_TOO_LARGE', message: /4 times as large/ }));
});

test('jobs that end, are left or fail leave the memory as it was', async () => {
  const core = await Core.create(await WebAssembly.compile(await readFile(new URL('../../dist/tesserae-studio-simd.wasm', import.meta.url))));
  core.load(model);
  const args = { pixels: scene(40, 30), options: { factor: 4, sharpness: 0.5 } };
  let size = 0;
  for (let i = 0; i < 30; i++) {
    assert.ok([...upscale(core, args)].length > 1);
    const left = upscale(core, args);
    left.next();
    left.return();
    assert.throws(() => [...upscale(core, { ...args, options: { factor: 3 } })], { code: 'ERR_OPTION' });
    if (i === 2) size = core.heap.byteLength;
  }
  core.load(model); // the upscaler goes with its model
  assert.equal(core.heap.byteLength, size);
});
