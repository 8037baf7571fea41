// A pool of single-threaded workers, in Node: a picture that several workers share comes out as one worker makes it, bit for bit.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createCodec, readInfo } from '../../dist/node.js';
import { Pool, share } from '../../web/pool.js';
import { asRGBA, scene } from './pictures.mjs';
import { withPredictors } from './predictor.mjs';

const one = { threads: 1, workers: 1, backend: 'simd' };
const image = scene(1290, 100);

let alone, pool;
before(async () => { [alone, pool] = await Promise.all([createCodec(one), createCodec({ ...one, workers: 3 })]); });
after(() => Promise.all([alone?.dispose(), pool?.dispose()]));

test('shares are rectangles of tiles, all of them, as even as can be', () => {
  const grid = (columns, rows) => Array.from({ length: columns * rows }, (_, i) => ({ tile: { x: (i % columns) * 10, y: Math.floor(i / columns) * 10, width: 10, height: 10 } }));
  const counts = (...args) => share(grid(args[0], args[1]), args[2]).map((part) => part.length);
  assert.deepEqual(counts(2, 2, 2), [2, 2]);
  assert.deepEqual(counts(2, 2, 4), [1, 1, 1, 1]);
  assert.deepEqual(counts(4, 3, 2), [6, 6]);
  assert.deepEqual(counts(1, 3, 2), [1, 2]);
  assert.deepEqual(counts(3, 1, 8), [1, 1, 1]);
  assert.deepEqual(counts(1, 1, 2), [1]);
  for (const part of share(grid(5, 3), 4)) {
    const side = (axis) => new Set(part.map(({ tile }) => tile[axis])).size;
    assert.equal(side('x') * side('y'), part.length, 'a rectangle');
  }
});

test('files, tokens and pictures are those of one worker', async () => {
  const said = [];
  for (const options of [{}, { quality: 85, effort: 1 }, { targetSize: 1500 }]) {
    const a = await alone.encode(image, options);
    const b = await pool.encode(image, { ...options, onProgress: (p) => said.push(p.done) });
    assert.deepEqual([...b.bytes], [...a.bytes], JSON.stringify(options));
    assert.deepEqual(b.tokens.toJSON(), a.tokens.toJSON());
  }
  assert.ok(said.length > 3 && said.every((v) => v >= 0 && v <= 1), String(said));
  const { bytes, tokens } = await alone.encode(image);
  const painted = new Uint8Array(1290 * 100);
  const onTile = (tile, x, y) => { for (let row = 0; row < tile.height; row++) painted.fill(1, (y + row) * 1290 + x, (y + row) * 1290 + x + tile.width); };
  const whole = await alone.decode(bytes);
  assert.deepEqual(await pool.decode(bytes, { onTile }), whole);
  assert.ok(painted.every(Boolean), 'every pixel was painted as it came');
  const region = { x: 300, y: 30, width: 900, height: 50 };
  assert.deepEqual(await pool.decode(bytes, { region }), await alone.decode(bytes, { region }));
  assert.deepEqual(await pool.decode(bytes, { levels: 1 }), await alone.decode(bytes, { levels: 1 }));
  assert.deepEqual((await pool.detokenize(tokens)).data, whole.data);
  for (const options of [{}, { quality: 50 }])
    assert.deepEqual((await pool.tokenize(image, options)).toJSON(), (await alone.tokenize(image, options)).toJSON());
});

test('files coded with predictors too', async () => {
  const model = withPredictors(readFileSync(new URL('../fixtures/golden/tiny.safetensors', import.meta.url)), [0, 1]);
  const [a, b] = await Promise.all([1, 2].map((workers) => createCodec({ ...one, workers, model })));
  const picture = scene(1290, 300);
  try {
    for (const options of [{ quality: 90 }, { quality: 90, effort: 7 }, { targetSize: 1200 }]) {
      const { bytes, tokens } = await a.encode(picture, { ...options, predict: true });
      const shared = await b.encode(picture, { ...options, predict: true });
      assert.deepEqual([...shared.bytes], [...bytes], JSON.stringify(options));
      assert.deepEqual(shared.tokens.toJSON(), tokens.toJSON());
      assert.equal(readInfo(bytes).coder, 'predictor');
      assert.notDeepEqual([...(await b.encode(picture, options)).bytes], [...bytes]);
      assert.deepEqual([...(await b.pack(tokens, { predict: true }))], [...bytes]);
      assert.deepEqual(await b.decode(bytes), await a.decode(bytes));
    }
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
});

test('latents are asked of every idle worker, and each value is the one that its worker gave', async () => {
  const asked = [];
  const tile = (x) => ({ tile: { x, y: 0, width: 8, height: 8 }, window: { x: 0, y: 0, width: 16, height: 8 } });
  const client = (mine) => ({
    load: 0,
    async call(op, { part }) {
      if (op === 'tiles') return [tile(0), tile(8)];
      asked.push([op, part.region.x, part.picture.width]);
      const data = new Float32Array(4);
      data.set(mine, part.region.x / 4);
      return { width: 2, height: 1, dim: 2, data };
    },
  });
  const busy = { load: 1, call: () => assert.fail('a busy worker was asked') };
  const two = new Pool([client([-0, 3]), busy, client([NaN, -0])], 8);
  const { data } = await two.encodeLatents({ data: new Uint8Array(16 * 8 * 3), width: 16, height: 8, channels: 3 }, {});
  assert.deepEqual(asked, [['encodeLatents', 0, 16], ['encodeLatents', 8, 16]]);
  assert.deepEqual([...data], [-0, 3, NaN, -0]); // strict: -0 is not 0
  assert.equal(await new Pool([client([]), busy], 8).encodeLatents({ width: 16, height: 8 }, {}), undefined);
});

test('latents too, of every kind of pixels', async () => {
  for (const channels of [1, 3, 4]) {
    const picture = scene(1320, 60, channels);
    const said = [];
    const { data, ...shape } = await pool.encodeLatents(picture, { onProgress: (p) => said.push(p.done) });
    const { data: want, ...wanted } = await alone.encodeLatents(picture);
    assert.deepEqual(shape, wanted);
    assert.ok(Buffer.from(data.buffer).equals(Buffer.from(want.buffer)), `${channels} channels`);
    assert.ok(said.every((v) => v >= 0 && v <= 1), String(said));
    assert.equal(said.at(-1), 1, 'however short the work, its end is told');
  }
});

test('alpha, grey and measures too', async () => {
  for (const channels of [1, 4]) {
    const picture = scene(1320, 60, channels);
    const { bytes } = await alone.encode(picture);
    assert.deepEqual([...(await pool.encode(picture)).bytes], [...bytes], `${channels} channels`);
    assert.deepEqual(await pool.decode(bytes), await alone.decode(bytes));
  }
  const opaque = { data: asRGBA(image), width: 1290, height: 100 };
  const [a, b] = await Promise.all([alone, pool].map((codec) => codec.encode(opaque, { measure: true })));
  assert.deepEqual([...b.bytes], [...a.bytes]);
  assert.deepEqual([b.psnr, b.ssim, b.msSsim], [a.psnr, a.ssim, a.msSsim]);
});

test('a damaged file is concealed the same way, or refused', async () => {
  const { bytes } = await alone.encode(image);
  bytes[bytes.length - 20] ^= 255;
  const whole = await alone.decode(bytes);
  assert.ok(whole.damaged > 0);
  assert.deepEqual(await pool.decode(bytes), whole);
  await assert.rejects(pool.decode(bytes, { strict: true }), { code: 'ERR_CHECKSUM' });
  await assert.rejects(pool.decode(bytes.subarray(0, 12)), (error) => error.code.startsWith('ERR_'));
});

test('a cancelled call ends at once, and the pool goes on', async () => {
  const stop = new AbortController();
  const call = pool.encode(image, { signal: stop.signal, onProgress: () => stop.abort() });
  await assert.rejects(call, { name: 'AbortError' });
  const { bytes } = await pool.encode(image);
  assert.deepEqual([...bytes], [...(await alone.encode(image)).bytes]);
});

test('a worker that dies takes its call along, and the next call finds a whole pool', async () => {
  const frail = await createCodec({ ...one, workers: 2, workerURL: new URL('dying-worker.mjs', import.meta.url) });
  try {
    const doomed = { data: new Uint8Array(1320 * 13 * 3), width: 13, height: 1320 }; // its top is the end of one worker
    await assert.rejects(frail.encode(doomed), { code: 'ERR_WORKER' });
    assert.deepEqual([...(await frail.encode(image)).bytes], [...(await alone.encode(image)).bytes]);
  } finally {
    await frail.dispose();
  }
});

test('pictures that come together are dealt out', async () => {
  const pictures = [1, 2, 3, 4].map((seed) => scene(120, 90, 3, seed));
  const files = await Promise.all(pictures.map((picture) => pool.encode(picture)));
  for (const [i, picture] of pictures.entries()) assert.deepEqual([...files[i].bytes], [...(await alone.encode(picture)).bytes]);
});
