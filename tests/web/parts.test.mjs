// The parts that need no core: pixels, tokens, the codebook's arithmetic, model downloads, configs, version, SSR.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Codebook } from '../../web/codebook.js';
import { sendable } from '../../web/codec.js';
import { factorOf, trainerConfig } from '../../web/config.js';
import { detect } from '../../web/detect.js';
import { modelBytes } from '../../web/model.js';
import { checkPixels, toBytes } from '../../web/pixels.js';
import { tokenGrid } from '../../web/tokens.js';
import { version } from '../../web/version.js';
import { hasRelaxed, hasSIMD } from '../../web/wasm.js';

test('pixels: channels are what the length says; everything else is refused', () => {
  assert.equal(checkPixels({ data: new Uint8Array(6), width: 2, height: 1 }).channels, 3);
  assert.equal(checkPixels({ data: new Uint8ClampedArray(8), width: 2, height: 1 }).channels, 4);
  for (const bad of [
    { data: new Uint8Array(4), width: 2, height: 1 }, { data: new Uint8Array(7), width: 2, height: 1, channels: 3 }, { data: new Uint8Array(0), width: 0, height: 1 },
    { data: new Uint8Array(3), width: 1.5, height: 2 }, { data: new Float32Array(3), width: 1, height: 1 }, { data: new Uint8Array(3), width: NaN, height: 1 },
  ]) assert.throws(() => checkPixels(bad), { code: 'ERR_INPUT' });
  assert.throws(() => checkPixels({ data: new Uint8Array(3), width: 70000, height: 1 }), { code: 'ERR_TOO_LARGE' });
  assert.throws(() => checkPixels({ data: new Uint8Array(3), width: 65535, height: 65535 }), { code: 'ERR_TOO_LARGE' });
});

test('pixels: a view into a larger buffer is copied before it is sent, and only what is ours is moved', () => {
  const pool = new Uint8Array(100);
  const part = sendable({ data: pool.subarray(10, 22), width: 2, height: 2, channels: 3 });
  assert.equal(part.pixels.data.buffer.byteLength, 12);
  assert.equal(part.transfer, true);
  const whole = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 };
  assert.equal(sendable(whole).transfer, false);
  assert.equal(sendable(whole, true).transfer, true);
  assert.equal(sendable({ ...whole, own: true }).transfer, true);
});

test('bytes in every form', async () => {
  const source = Uint8Array.of(1, 2, 3);
  const forms = [source, source.buffer, new DataView(source.buffer), new Blob([source]), new Response(source), new Blob([source]).stream()];
  for (const form of forms) assert.deepEqual([...(await toBytes(form))], [1, 2, 3]);
  await assert.rejects(toBytes('text'), { code: 'ERR_INPUT' });
  await assert.rejects(toBytes(new Response('no', { status: 404 })), { code: 'ERR_LOAD' });
});

test('token grids survive JSON and refuse what is no grid', () => {
  const parts = { width: 2, height: 1, levels: 2, size: 4, data: [0, 1, 2, 3], pixelWidth: 13, pixelHeight: 7 };
  const grid = tokenGrid(parts);
  assert.deepEqual(tokenGrid(JSON.parse(JSON.stringify(grid))), grid);
  assert.ok(grid.data instanceof Uint16Array);
  for (const change of [{ data: [0, 1, 2] }, { data: [0, 1, 2, 4] }, { data: [0, 1, 2, -1] }, { data: [0, 1, 2, 0.5] }, { width: 0 }, { size: NaN }]) {
    assert.throws(() => tokenGrid({ ...parts, ...change }), { code: 'ERR_INPUT' });
  }
});

test('codebook: vectors, neighbours, usage and axes', async () => {
  const level0 = Float32Array.of(0, 0, 3, 4, 6, 8, 0, 1);
  const calls = [];
  const book = new Codebook([level0, level0.map((v) => -v)], { size: 4, dim: 2 }, async (tokens) => {
    calls.push(tokens);
    return { data: new Uint8ClampedArray(4), width: 1, height: 1 };
  });
  assert.deepEqual([...book.vector(1)], [3, 4]);
  assert.deepEqual(book.nearest(0, 2), [{ index: 3, distance: 1 }, { index: 1, distance: 5 }]);
  assert.equal(book.nearest(0).length, 3);
  assert.deepEqual([...book.level(1).vector(1)], [-3, -4]);
  for (const bad of [-1, 4, 0.5, NaN]) assert.throws(() => book.vector(bad), { code: 'ERR_OPTION' });
  assert.throws(() => book.level(2), { code: 'ERR_OPTION' });

  const grid = tokenGrid({ width: 2, height: 2, levels: 2, size: 4, data: [0, 0, 1, 1, 3, 3, 3, 3] });
  assert.deepEqual(book.usage(grid), { counts: Uint32Array.of(2, 2, 0, 0), used: 2, perplexity: 2, bits: 1 });
  assert.deepEqual(book.level(1).usage([grid, grid]), { counts: Uint32Array.of(0, 0, 0, 8), used: 1, perplexity: 1, bits: 0 });

  await book.level(1).patch(2);
  assert.deepEqual([...calls[0].data], [0, 2]);

  const points = book.project(); // distances on two axes of two dimensions are kept
  const gap = (i, j) => Math.hypot(points[2 * i] - points[2 * j], points[2 * i + 1] - points[2 * j + 1]);
  for (const [i, j] of [[0, 1], [1, 2], [0, 3], [2, 3]]) {
    assert.ok(Math.abs(gap(i, j) - Math.hypot(level0[2 * i] - level0[2 * j], level0[2 * i + 1] - level0[2 * j + 1])) < 1e-4);
  }
  const spread = [0, 1].map((axis) => [0, 1, 2, 3].reduce((sum, i) => sum + points[2 * i + axis] ** 2, 0));
  assert.ok(spread[0] > spread[1], 'the first axis holds the most');
});

/** A server on this machine that answers as told. */
async function serving(answer, use) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}/m.safetensors`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const model = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}'), Buffer.alloc(50000)]);

test('model downloads report their progress', () => serving((_, response) => response.end(model), async (url) => {
  const seen = [];
  const bytes = await modelBytes(url, { onProgress: (p) => seen.push(p) });
  assert.deepEqual(Buffer.from(bytes), model);
  const last = seen.filter((p) => p.status === 'download').at(-1);
  assert.deepEqual(last, { status: 'download', file: 'm.safetensors', loaded: model.length, total: model.length });
  assert.deepEqual(seen.at(-1), { status: 'download-total', loaded: model.length, total: model.length, files: { 'm.safetensors': { loaded: model.length, total: model.length } } });
}));

test('a model that is missing, an error page, broken off or late is an error that names the URL', async () => {
  await serving((_, r) => { r.statusCode = 404; r.end(); }, (url) => assert.rejects(modelBytes(url, {}), { code: 'ERR_LOAD', url }));
  await serving((_, r) => r.end('<!doctype html>'), (url) => assert.rejects(modelBytes(url, {}), { code: 'ERR_MODEL', url, message: /HTML/ }));
  await serving((_, r) => r.end(), (url) => assert.rejects(modelBytes(url, {}), { code: 'ERR_MODEL', url }));
  await serving((_, r) => { r.setHeader('content-length', model.length); r.write(model.subarray(0, 99)); setTimeout(() => r.destroy(), 20); },
    (url) => assert.rejects(modelBytes(url, {}), { code: 'ERR_LOAD', url }));
  await serving((_, r) => r.write(model.subarray(0, 99)), (url) => assert.rejects(modelBytes(url, { timeout: 50 }), { code: 'ERR_TIMEOUT', url }));
  await serving(() => {}, (url) => assert.rejects(modelBytes(url, { timeout: 50 }), { code: 'ERR_TIMEOUT', url }));
});

test('a model download stops on abort with its reason', () => serving((_, r) => r.write(model.subarray(0, 99)), async (url) => {
  const control = new AbortController();
  const reason = new Error('never mind');
  setTimeout(() => control.abort(reason), 30);
  await assert.rejects(modelBytes(url, { signal: control.signal }), reason);
  await assert.rejects(modelBytes(url, { signal: control.signal }), reason);
}));

test('an unknown model name says which there are', () => assert.rejects(modelBytes('foto', {}), { code: 'ERR_MODEL', message: /photo/ }));

test('presets fit the pictures; options are laid over a config', () => {
  const digits = Array.from({ length: 3 }, () => ({ width: 28, height: 28 }));
  const small = trainerConfig({ data: [], codebook: { size: 64 }, seed: 5, lr: 1e-3, loss: { l2: 3 } }, digits);
  assert.equal(small.train.size, 28);
  assert.equal(factorOf(small), 4);
  assert.equal(small.quantizer.size, 64);
  assert.deepEqual([small.train.seed, small.train.lr, small.train.loss.l2, small.train.loss.l1], [5, 1e-3, 3, 1]);
  const photo = trainerConfig({ data: [] }, [{ width: 500, height: 333 }]);
  assert.equal(photo.train.size, 128);
  assert.equal(factorOf(photo), 8);
  const own = { format: 1, encoder: [{ op: 'conv', out: 4, kernel: 4, stride: 2 }], decoder: [], quantizer: { type: 'vq', size: 9, dim: 4 }, train: { size: 30 } };
  const laid = trainerConfig({ data: [], config: own, batch: 3, codebook: { restartAfter: 100 } }, digits);
  assert.deepEqual([laid.train.size, laid.train.batch, laid.quantizer.size], [30, 3, 9]);
  assert.ok(Math.abs(laid.quantizer.restart - ((3 * 225) / 9) * 0.99 ** 100) < 1e-9);
  assert.deepEqual(Object.keys(own.quantizer), ['type', 'size', 'dim'], 'the given config is left alone');
  const scheduled = trainerConfig({ data: [], lr: (step) => 1 / (step + 1) }, digits);
  assert.deepEqual([scheduled.train.lr, scheduled.train.warmup, scheduled.train.lr_final], [1, 0, 1]);
  assert.throws(() => trainerConfig({ data: [], width: 12 }, digits), { code: 'ERR_OPTION' });
});

test('the SIMD probe holds here; the relaxed one agrees with the engine', () => {
  assert.equal(hasSIMD(), true);
  assert.equal(typeof hasRelaxed(), 'boolean');
  assert.equal(detect().simd, true);
  assert.equal(detect().relaxed, hasRelaxed());
});

test('the version is that of package.json', async () => {
  assert.equal(version, JSON.parse(await readFile(new URL('../../package.json', import.meta.url))).version);
});

test('importing the browser package in a place without a browser does nothing and touches nothing', async () => {
  const touched = [];
  for (const name of ['Worker', 'window', 'document', 'caches', 'OffscreenCanvas', 'ImageData']) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { configurable: true, get: () => { touched.push(name); return undefined; } });
  }
  const api = await import('../../web/index.js');
  assert.deepEqual(touched, []);
  for (const name of ['createCodec', 'encode', 'decode', 'readInfo', 'loadModel', 'createTrainer', 'compare', 'detect']) assert.equal(typeof api[name], 'function', name);
});
