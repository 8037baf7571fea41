// Looking inside: bits of each token of a file, files of given tokens, what the prior thinks of a place, tokens between two pictures.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createCodec, readInfo, tokenGrid } from '../../dist/node.js';
import { scene } from './pictures.mjs';
import { withPredictors } from './predictor.mjs';
import { priorModel } from './prior.mjs';

/** @type {import('../../web/types').Codec} */
let photo, faces;
before(async () => {
  photo = await createCodec({ threads: 1 });
  faces = await createCodec({ model: priorModel('prior_text'), threads: 1 });
});
after(() => Promise.all([photo?.dispose(), faces?.dispose()]));

const sum = (values) => values.reduce((a, b) => a + b, 0);

test('the bits of all tokens are the file but for its header', async () => {
  const { bytes, tokens } = await photo.encode(scene(640, 560), { quality: 70 });
  const bits = await photo.bits(bytes);
  assert.deepEqual([bits.width, bits.height, bits.levels], [tokens.width, tokens.height, tokens.levels]);
  assert.ok(bits.data instanceof Float32Array && bits.data.length === tokens.data.length);
  assert.ok(bits.data.every((b) => b >= 0 && b < 200));
  const counted = sum(bits.data) / 8;
  assert.ok(counted < bytes.length && counted > bytes.length * 0.9 - 100, `${counted} of ${bytes.length} bytes`);
});

test('bits say nothing of a file that is not one', async () => {
  await assert.rejects(photo.bits(new Uint8Array(40)), { code: 'ERR_FORMAT' });
  const { bytes } = await photo.encode(scene(64, 64));
  bytes[bytes.length - 2] ^= 1;
  await assert.rejects(photo.bits(bytes, { strict: true }), { code: 'ERR_CHECKSUM' });
  assert.equal((await photo.bits(bytes)).width, 8);
  await assert.rejects(photo.bits(bytes, { levels: 1 }), { code: 'ERR_OPTION' });
});

test('tokens become a file that has them', async () => {
  const { bytes, tokens } = await photo.encode(scene(100, 70), { quality: 40 });
  const again = await photo.pack(tokens);
  assert.deepEqual(again, bytes, 'the same tokens are the same file');
  const few = tokenGrid({ width: 3, height: 2, levels: 1, size: 1024, data: [1, 2, 3, 4, 5, 1023], pixelWidth: 20, pixelHeight: 16 });
  const small = await photo.pack(few);
  assert.deepEqual([readInfo(small).width, readInfo(small).height, readInfo(small).levels], [20, 16, 1]);
  assert.deepEqual((await photo.tokens(small)).data, few.data);
  await assert.rejects(faces.pack(few), { code: 'ERR_MODEL' });
});

test('tokens are coded with predictors where the model has some', async () => {
  const tiny = readFileSync(new URL('../fixtures/golden/tiny.safetensors', import.meta.url));
  const [codec, plain] = await Promise.all([withPredictors(tiny, [0, 2]), new Uint8Array(tiny)].map((model) => createCodec({ model, threads: 1 })));
  try {
    assert.deepEqual([codec.model.predictors, plain.model.predictors], [2, 0]);
    const grid = await codec.tokenize(scene(90, 70));
    const files = await Promise.all([true, false, undefined].map((predict) => codec.pack(grid, { predict })));
    assert.deepEqual(files.map((bytes) => readInfo(bytes).coder), ['predictor', 'context', 'context']);
    assert.deepEqual(files[2], files[1]);
    for (const bytes of files) assert.deepEqual((await codec.tokens(bytes)).data, grid.data);
    assert.deepEqual((await plain.tokens(files[1])).data, grid.data, 'the model is the same');
    await assert.rejects(plain.tokens(files[0]), { code: 'ERR_MODEL', message: /coded with predictors/ });
    const { bytes, tokens } = await codec.encode(scene(90, 70), { predict: true });
    assert.deepEqual(await codec.pack(tokens, { predict: true }), bytes);
    const refused = { code: 'ERR_OPTION', message: 'The model tiny has no predictors; encode without predict.' };
    await assert.rejects(plain.encode(scene(9, 9), { predict: true }), refused);
    await assert.rejects(plain.pack(grid, { predict: true }), refused);
    await assert.rejects(codec.pack(grid, { predict: 1 }), { code: 'ERR_OPTION', message: /predict is 1; it must be true or false/ });
    const bits = await codec.bits(bytes);
    assert.ok(Math.abs(sum(bits.data) / 8 - bytes.length) < 100, 'bits are those of the predictors');
  } finally {
    await Promise.all([codec.dispose(), plain.dispose()]);
  }
});

const asked = { x: 2, y: 1 };

test('the prior says what could stand at a place', async () => {
  const grid = await faces.tokenize(scene(16, 16));
  const all = await faces.alternatives(grid, { ...asked, count: 1000 });
  assert.equal(all.length, 32);
  assert.ok(Math.abs(sum(all.map(({ probability }) => probability)) - 1) < 1e-4);
  assert.ok(all.every(({ probability }, i) => !i || probability <= all[i - 1].probability), 'the likeliest first');
  assert.deepEqual(await faces.alternatives(grid, { ...asked, count: 3 }), all.slice(0, 3));
  assert.equal((await faces.alternatives(grid, asked)).length, 8);
  const other = tokenGrid({ ...grid, data: grid.data.map((token, i) => (i === 6 ? (token + 1) % 32 : token)) });
  assert.deepEqual(await faces.alternatives(other, { ...asked, count: 1000 }), all, 'whatever stands there');
  assert.notDeepEqual(await faces.alternatives(grid, { ...asked, count: 1000, prompt: 'red hat', guidance: 3 }), all);
  // what a run makes of that place alone, everything else given
  const keep = Array.from({ length: 16 }, (_, i) => i !== 6);
  let last;
  for await (const step of faces.generate({ condition: grid, keep, temperature: 0 })) last = step;
  assert.equal(last.tokens.data[6], all[0].token);
});

test('alternatives are refused where there are none', async () => {
  const grid = await faces.tokenize(scene(16, 16));
  for (const [options, message] of [[{ x: -1, y: 0 }, /x is -1/], [{ y: 0 }, /x is undefined/], [{ ...asked, level: 0.5 }, /level/], [{ ...asked, count: 0 }, /count/],
    [{ ...asked, label: 1 }, /classes/], [{ ...asked, colour: 1 }, /colour/]])
    await assert.rejects(faces.alternatives(grid, options), { code: 'ERR_OPTION', message });
  await assert.rejects(faces.alternatives(grid), { code: 'ERR_OPTION', message: /x is undefined/ });
  await assert.rejects(faces.alternatives(grid, { x: 4, y: 0 }), { code: 'ERR_INPUT', message: /column 4/ });
  await assert.rejects(faces.alternatives(await faces.tokenize(scene(20, 16)), asked), { code: 'ERR_INPUT', message: /4 x 4/ });
  const bare = await createCodec({ model: readFileSync(new URL('../../models/photo.safetensors', import.meta.url)), threads: 1 }); // from no place where a part could lie
  await assert.rejects(bare.alternatives(await bare.tokenize(scene(16, 16)), { ...asked, x: 1 }), { code: 'ERR_MODEL', message: /no prior/ });
  await bare.dispose();
});

test("a photo's alternatives come from the part beside the model", async () => {
  const grid = await photo.tokenize(scene(160, 120), { quality: 40 });
  for (const level of [0, 1]) {
    const all = await photo.alternatives(grid, { x: 7, y: 5, level, count: 2000 });
    assert.equal(all.length, 1024);
    assert.ok(all.every(({ probability }, i) => i === 0 || probability <= all[i - 1].probability));
    assert.ok(Math.abs(sum(all.map(({ probability }) => probability)) - 1) < 1e-4);
  }
  assert.notDeepEqual(await photo.alternatives(grid, { x: 7, y: 5 }), await photo.alternatives(grid, { x: 15, y: 9 }));
  await assert.rejects(photo.alternatives(grid, { x: 7, y: 5, level: 5 }), { code: 'ERR_INPUT', message: /levels 0 to 4/ });
});

/** The nearest codes of latents, level by level, by a search of our own. */
function nearest(codebook, latents, area, levels) {
  const rest = Float64Array.from(latents), tokens = [];
  for (let level = 0; level < levels; level++) {
    const book = codebook.level(level);
    const vectors = Array.from({ length: book.size }, (_, k) => book.vector(k));
    for (let p = 0; p < area; p++) {
      const at = rest.subarray(p * book.dim, (p + 1) * book.dim);
      let [best, least] = [0, Infinity];
      vectors.forEach((v, k) => {
        const distance = sum(Array.from(v, (x, d) => (x - at[d]) ** 2));
        if (distance < least) [best, least] = [k, distance];
      });
      tokens.push(best);
      vectors[best].forEach((x, d) => (at[d] -= x));
    }
  }
  return tokens;
}

test('between two pictures lie the nearest codes of their mixture', async () => {
  const [a, b] = [await photo.tokenize(scene(48, 32)), await photo.tokenize(scene(48, 32, 3, 9))];
  assert.deepEqual((await photo.interpolate(a, b, 0)).data, a.data);
  assert.deepEqual((await photo.interpolate(a, b, 1)).data, b.data);
  const t = 0.3, area = a.width * a.height, { dim } = photo.codebook;
  const latents = new Float64Array(area * dim);
  for (const [grid, weight] of [[a, 1 - t], [b, t]])
    for (let l = 0; l < grid.levels; l++)
      for (let p = 0; p < area; p++) photo.codebook.level(l).vector(grid.data[l * area + p]).forEach((x, d) => (latents[p * dim + d] += weight * x));
  const mixed = await photo.interpolate(a, b, t);
  assert.deepEqual([mixed.width, mixed.height, mixed.pixelWidth, mixed.levels], [6, 4, 48, 6]);
  assert.deepEqual([...mixed.data], nearest(photo.codebook, latents, area, 6));
});

test('a grid of many rows is mixed in parts, and grids of fewer levels are filled up', async () => {
  const make = (height, shift) => tokenGrid({ width: 100, height, levels: 1, size: 1024, data: Array.from({ length: 100 * height }, (_, i) => (i * 7 + shift) % 1024) });
  const [a, b] = [make(90, 0), make(90, 400)], done = [];
  const whole = await photo.interpolate(a, b, 0.5, { onProgress: (p) => done.push(p.done) });
  assert.equal(done.at(-1), 1);
  const rows = (grid, from, to) => tokenGrid({ ...grid, height: to - from, pixelHeight: 0, data: grid.data.subarray(from * 100, to * 100) });
  const part = await photo.interpolate(rows(a, 60, 90), rows(b, 60, 90), 0.5);
  assert.deepEqual(part.data, whole.data.subarray(60 * 100));
  const two = tokenGrid({ ...b, levels: 2, data: [...b.data, ...new Array(9000).fill(3)] });
  assert.equal((await photo.interpolate(a, two, 0.5)).levels, 2);
  assert.deepEqual((await photo.interpolate(a, two, 0)).data.subarray(0, 9000), a.data);
  await assert.rejects(photo.interpolate(a, make(80, 0), 0.5), { code: 'ERR_INPUT', message: /one size/ });
  for (const t of [-0.1, 1.01, NaN, '0.5x']) await assert.rejects(photo.interpolate(a, b, t), { code: 'ERR_OPTION' });
});
