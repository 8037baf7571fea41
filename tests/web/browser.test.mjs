// The package in a page of real Chromium: every kind of picture, the model cache, a free main thread, training.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { serving } from './ladder.mjs';
import { scene } from './pictures.mjs';

let browser, site, page;
before(async () => {
  const pictures = await readFile(new URL('pictures.mjs', import.meta.url), 'utf8');
  site = await serving({ extra: { '/pictures.js': pictures, '/start.js': `
    import * as t from '/dist/index.js';
    import * as pictures from '/pictures.js';
    Object.assign(globalThis, { t, pictures });
    globalThis.codec = await t.createCodec();` } });
  browser = await launch();
  page = await browser.context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(site.url);
  await page.addScriptTag({ type: 'module', url: '/start.js' });
  await page.waitForFunction('globalThis.codec');
});
after(async () => {
  await browser?.close();
  await site?.close();
});

test('every kind of picture gives the same file', async () => {
  const result = await page.evaluate(async () => {
    const { width, height, data } = pictures.scene(40, 30, 3);
    const pixels = new ImageData(pictures.asRGBA({ data, width, height, channels: 3 }), width, height);
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('2d').putImageData(pixels, 0, 0);
    const offscreen = new OffscreenCanvas(width, height);
    offscreen.getContext('2d').putImageData(pixels, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
    const url = URL.createObjectURL(blob);
    const img = Object.assign(new Image(), { src: url });
    const inputs = {
      plain: { data, width, height }, pixels, canvas, offscreen, blob, file: new File([blob], 'a.png'), url, address: new URL(url), img,
      bytes: new Uint8Array(await blob.arrayBuffer()), buffer: await blob.arrayBuffer(),
      bitmap: await createImageBitmap(canvas), frame: new VideoFrame(canvas, { timestamp: 0 }),
    };
    const files = {};
    for (const [name, input] of Object.entries(inputs)) files[name] = [...(await codec.encode(input)).bytes].join();
    inputs.frame.close();
    return files;
  });
  for (const [name, file] of Object.entries(result)) assert.equal(file, result.plain, name);
});

test('a picture of more rows than fit in one strip is read whole', async () => {
  const same = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(3000, 2000);
    const context = canvas.getContext('2d');
    const shade = context.createLinearGradient(0, 0, 300, 2000);
    shade.addColorStop(0, 'red');
    shade.addColorStop(1, 'blue');
    context.fillStyle = shade;
    context.fillRect(0, 0, 3000, 2000);
    const direct = context.getImageData(0, 0, 3000, 2000).data;
    const { data } = await t.readImage(canvas.transferToImageBitmap());
    return data.every((v, i) => v === direct[i]);
  });
  assert.equal(same, true);
});

test('pictures that cannot be read are errors that say what to do', async () => {
  const codes = await page.evaluate(async () => {
    const found = [];
    for (const bad of [new Blob([]), new Blob(['no picture']), '/nowhere.png', document.body, null, new OffscreenCanvas(0, 5)]) {
      found.push(await codec.encode(bad).then(() => 'passed', (error) => error.code));
    }
    return found;
  });
  assert.deepEqual(codes, ['ERR_INPUT', 'ERR_INPUT', 'ERR_LOAD', 'ERR_INPUT', 'ERR_INPUT', 'ERR_INPUT']);
});

test('the page makes the same tokens of a file as Node does', async () => {
  const { createCodec } = await import('../../dist/node.js');
  const codec = await createCodec();
  try {
    const { bytes, tokens } = await codec.encode(scene(200, 120), { quality: 80 });
    const here = await codec.decode(bytes);
    const there = await page.evaluate(async (file) => {
      const grid = await codec.tokens(new Uint8Array(file));
      return { tokens: [...grid.data], pixels: [...(await codec.decode(new Uint8Array(file))).data] };
    }, [...bytes]);
    assert.deepEqual(there.tokens, [...tokens.data]);
    const most = there.pixels.reduce((worst, v, i) => Math.max(worst, Math.abs(v - here.data[i])), 0);
    assert.ok(most <= 1, `relaxed and plain SIMD differ by rounding only, not by ${most}`);
  } finally {
    await codec.dispose();
  }
});

test('the model is fetched once and kept in the cache, which can be listed and cleared', async () => {
  const asked = () => site.asked.filter((path) => path.startsWith('/models/')).length;
  const before1 = asked();
  const again = () => page.evaluate(async () => (await t.createCodec()).dispose());
  await again();
  assert.equal(asked(), before1, 'from the cache');
  const listed = await page.evaluate(() => t.models.list());
  assert.deepEqual(listed.map(({ name, cached }) => [name, cached]), [['photo', true], ['avatars', false], ['digits', false], ['emoji', false]]);
  await page.evaluate(() => t.models.clear('photo'));
  assert.deepEqual(await page.evaluate(async () => (await t.models.list()).map(({ cached }) => cached)), [false, false, false, false]);
  await again();
  assert.ok(asked() > before1, 'fetched again');
});

test('a cache without room is no error', async () => {
  const works = await page.evaluate(async () => {
    await t.models.clear();
    const put = Cache.prototype.put;
    Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    try {
      const other = await t.createCodec();
      await other.dispose();
      return true;
    } finally {
      Cache.prototype.put = put;
    }
  });
  assert.equal(works, true);
});

test('the main thread stays free while the worker encodes', async () => {
  const ticks = await page.evaluate(async () => {
    const image = pictures.scene(1200, 900, 3);
    let count = 0;
    const timer = setInterval(() => count++, 1);
    await codec.encode(image, { transfer: true });
    clearInterval(timer);
    return count;
  });
  assert.ok(ticks >= 5, `${ticks} ticks of a timer`);
});

test('detect', async () => {
  const found = await page.evaluate(async () => ({ ...t.detect(), canvasReadable: await t.detect().canvasReadable }));
  assert.deepEqual(found, { wasm: true, simd: true, relaxed: true, threads: false, workers: true, offscreenCanvas: true, crossOriginIsolated: false, canvasReadable: true });
});

test('a trainer in the page, from its steps to a codec', async () => {
  const result = await page.evaluate(async () => {
    const data = Array.from({ length: 8 }, (_, i) => pictures.scene(28, 28, 1, i + 1));
    const trainer = await t.createTrainer({ data, batch: 4, steps: 80, width: 16, codebook: { size: 16, dim: 4 } });
    const losses = [];
    for await (const { loss } of trainer.run({ every: 20 })) losses.push(loss.reconstruction);
    const [{ input, output }] = await trainer.preview(1);
    const other = await t.createCodec({ model: await trainer.model() });
    const back = await other.decode((await other.encode(data[0])).bytes);
    await Promise.all([other.dispose(), trainer.dispose()]);
    return { losses, where: trainer.backend.where, kinds: [input, output, back].map((image) => image instanceof ImageData), width: back.width };
  });
  assert.equal(result.where, 'worker');
  assert.ok(result.losses.at(-1) < result.losses[0], String(result.losses));
  assert.deepEqual([result.kinds, result.width], [[true, true, true], 28]);
});
