// The package as built, in Node, on the bundled model: pictures through and back, errors, aborts, dead workers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import * as tesserae from '../../dist/node.js';
import { asRGBA, crop, mse, scene } from './pictures.mjs';

const { compare, createCodec, readInfo, TesseraeError } = tesserae;
const root = new URL('../../', import.meta.url);

/** @type {import('../../web/types').Codec} */
let codec;
before(async () => { codec = await createCodec(); });
after(() => codec.dispose());

test('the codec says what it runs on', () => {
  assert.equal(codec.backend.where, 'node-worker');
  assert.equal(codec.backend.version, tesserae.version);
  assert.equal(codec.backend.build, tesserae.detect().relaxed ? 'relaxed' : 'simd128');
  assert.equal(codec.model.name, 'photo');
  assert.match(codec.model.hash, /^[0-9a-f]{16}$/);
  assert.deepEqual([codec.codebook.size, codec.codebook.dim], [codec.model.codebook.size, codec.model.codebook.dim]);
  assert.equal(codec.codebook.levels, codec.model.levels);
});

for (const [width, height, channels] of [[1, 1, 3], [7, 13, 3], [96, 80, 3], [70, 33, 1], [65, 40, 4]]) {
  test(`${width}x${height} of ${channels} channels goes through`, async () => {
    const image = scene(width, height, channels);
    const result = await codec.encode(image, { quality: 90 });
    assert.deepEqual([result.width, result.height, result.bpp], [width, height, (result.bytes.length * 8) / (width * height)]);
    const back = await codec.decode(result.bytes);
    assert.deepEqual([back.width, back.height, back.data.length], [width, height, width * height * 4]);
    const original = asRGBA(image);
    if (width > 50) assert.ok(mse(original, back.data) < 700, `mse ${mse(original, back.data)}`);
    for (let i = 3; i < original.length; i += 4) assert.equal(back.data[i], original[i], 'alpha is kept as it is');
    const colours = (data) => data.filter((_, i) => i % 4 < 3);
    const painted = colours((await codec.detokenize(result.tokens)).data);
    if (channels > 1) assert.deepEqual(painted, colours(back.data), 'tokens and file give one picture');
    else assert.ok(back.data.every((v, i) => i % 4 === 3 || v === back.data[i - (i % 4)]), 'grey stays grey');
  });
}

test('readInfo agrees with the codec', async () => {
  const { bytes, tokens, bpp } = await codec.encode(scene(65, 40, 4));
  const info = readInfo(bytes);
  assert.equal(info.format, 'tess');
  assert.deepEqual([info.width, info.height, info.alpha, info.bytes, info.bpp], [65, 40, true, bytes.length, bpp]);
  assert.equal(info.model.hash, codec.model.hash);
  assert.deepEqual(info.tokens, [tokens.width, tokens.height]);
  assert.equal(readInfo((await codec.encode(scene(9, 9))).bytes).alpha, false);
});

test('alpha: dropped on request, and not stored where it is opaque', async () => {
  const image = scene(32, 32, 4);
  const dropped = await codec.decode((await codec.encode(image, { alpha: 'drop' })).bytes);
  assert.ok(dropped.data.every((v, i) => i % 4 < 3 || v === 255));
  const opaque = { ...image, data: image.data.map((v, i) => (i % 4 === 3 ? 255 : v)) };
  assert.equal(readInfo((await codec.encode(opaque)).bytes).alpha, false);
});

test('measure reports what compare finds between input and output', async () => {
  const image = scene(96, 80);
  const { bytes, psnr, ssim, msSsim } = await codec.encode(image, { measure: true });
  const found = await compare(image, await codec.decode(bytes));
  assert.deepEqual([psnr, ssim, msSsim], [found.psnr, found.ssim, found.msSsim]);
  assert.ok(Math.abs(found.mse - mse(asRGBA(image), (await codec.decode(bytes)).data)) < 1e-3);
  assert.ok(Math.abs(found.psnr - 10 * Math.log10(65025 / found.mse)) < 1e-3);
  assert.deepEqual(await compare(image, image).then(({ mse: e, ssim: s }) => [e, s]), [0, 1]);
  await assert.rejects(compare(image, scene(96, 81)), { code: 'ERR_INPUT' });
});

test('quality, bpp and targetSize steer the size', async () => {
  const image = scene(256, 192);
  const sizes = [];
  for (const quality of [5, 50, 95]) sizes.push((await codec.encode(image, { quality })).bytes.length);
  assert.ok(sizes[0] < sizes[1] && sizes[1] < sizes[2], String(sizes));
  const small = await codec.encode(image, { targetSize: 1500 });
  assert.ok(small.bytes.length <= 1500, `${small.bytes.length} bytes for a target of 1500`);
  const bpp = await codec.encode(image, { bpp: 0.3 });
  assert.ok(bpp.bpp <= 0.31 && bpp.bpp > 0.2, `${bpp.bpp} bpp for a target of 0.3`);
});

test('tokenize and detokenize round trip through JSON', async () => {
  const image = scene(61, 45);
  const tokens = await codec.tokenize(image);
  assert.deepEqual([tokens.pixelWidth, tokens.pixelHeight, tokens.levels, tokens.size], [61, 45, codec.model.levels, codec.model.codebook.size]);
  assert.equal(tokens.width, Math.ceil(61 / codec.model.factor));
  const direct = await codec.detokenize(tokens);
  const plain = await codec.detokenize(JSON.parse(JSON.stringify(tokens)));
  assert.deepEqual([direct.width, direct.height], [61, 45]);
  assert.deepEqual(plain.data, direct.data);
  await assert.rejects(codec.detokenize({ ...tokens, size: 7, data: new Uint16Array(tokens.data.length) }), { code: 'ERR_MODEL' });
  await assert.rejects(codec.detokenize({ ...tokens, data: tokens.data.subarray(1) }), { code: 'ERR_INPUT' });
});

/** A model without weights or codebook: latents are the pixels of 2 x 2 blocks. */
function identityModel() {
  const config = { format: 1, name: 'blocks', encoder: [{ op: 'unshuffle', factor: 2 }], decoder: [{ op: 'shuffle', factor: 2 }], quantizer: { type: 'none', dim: 12 } };
  const head = Buffer.from(JSON.stringify({ __metadata__: { tesserae: JSON.stringify(config) } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return new Uint8Array(Buffer.concat([length, head]));
}

test('latents go out and back in; a model without a codebook does that only', async () => {
  const image = scene(61, 45);
  const latents = await codec.encodeLatents(image);
  const [columns, rows] = [61, 45].map((side) => Math.ceil(side / codec.model.factor));
  assert.deepEqual([latents.width, latents.height, latents.dim, latents.pixelWidth, latents.pixelHeight], [columns, rows, codec.codebook.dim, 61, 45]);
  assert.ok(latents.data instanceof Float32Array && latents.data.length === columns * rows * latents.dim && latents.data.some((v) => v !== 0));
  const region = { x: 8, y: 3, width: 30, height: 20 };
  const whole = await codec.decodeLatents(latents);
  assert.deepEqual([whole.width, whole.height, whole.damaged], [61, 45, 0]);
  assert.deepEqual((await codec.decodeLatents(latents, { region })).data, crop(whole, region));
  await assert.rejects(codec.decodeLatents({ ...latents, data: latents.data.subarray(1) }), { code: 'ERR_INPUT' });
  await assert.rejects(codec.decodeLatents({ ...latents, dim: 0 }), { code: 'ERR_INPUT' });
  await assert.rejects(codec.decodeLatents(), { code: 'ERR_INPUT' });
  await assert.rejects(codec.decodeLatents(latents, { levels: 1 }), { code: 'ERR_OPTION' });

  const blocks = await createCodec({ model: identityModel() });
  assert.deepEqual([blocks.model.tasks, blocks.model.levels, blocks.model.codebook.size], [['reconstruct', 'inpaint'], 0, 0]);
  assert.deepEqual((await blocks.decodeLatents(await blocks.encodeLatents(image))).data, asRGBA(image));
  const { bytes } = await codec.encode(image);
  for (const refused of [() => blocks.encode(image), () => blocks.tokenize(image), () => blocks.decode(bytes)])
    await assert.rejects(refused, { code: 'ERR_MODEL', message: /no codebook/ });
  for (const ask of ['vector', 'level', 'nearest', 'project', 'usage'])
    assert.throws(() => blocks.codebook[ask](0), { code: 'ERR_MODEL', message: /no codebook/ });
  await blocks.dispose();
});

test('a region is the crop of the whole; tiles paint all of it', async () => {
  const { bytes } = await codec.encode(scene(300, 200));
  const whole = await codec.decode(bytes);
  const region = { x: 33, y: 21, width: 100, height: 77 };
  const part = await codec.decode(bytes, { region });
  assert.deepEqual([part.width, part.height], [100, 77]);
  assert.deepEqual(part.data, crop(whole, region));
  const painted = new Uint8ClampedArray(whole.data.length);
  await codec.decode(bytes, {
    onTile(tile, x, y) {
      for (let row = 0; row < tile.height; row++) painted.set(tile.data.subarray(row * tile.width * 4, (row + 1) * tile.width * 4), ((y + row) * 300 + x) * 4);
    },
  });
  assert.deepEqual(painted, whole.data);
  const edge = await codec.decode(bytes, { region: { x: 250, y: 190, width: 100, height: 100 } });
  assert.deepEqual(edge.data, crop(whole, { x: 250, y: 190, width: 50, height: 10 }));
  for (const region of [{ x: 300, y: 0, width: 1, height: 1 }, { x: 0, y: 0, width: 0, height: 1 }, { x: -1, y: 0, width: 1, height: 1 }, { x: 0 }]) {
    await assert.rejects(codec.decode(bytes, { region }), { code: 'ERR_OPTION' });
  }
});

test('fewer levels give a coarser picture', async () => {
  const image = scene(128, 96);
  const { bytes } = await codec.encode(image, { quality: 95 });
  const errors = [];
  for (const levels of [1, codec.model.levels]) errors.push(mse(asRGBA(image), (await codec.decode(bytes, { levels })).data));
  assert.ok(errors[0] > errors[1], String(errors));
  await assert.rejects(codec.decode(bytes, { levels: 0 }), { code: 'ERR_OPTION' });
});

test('progress rises to the end', async () => {
  const seen = [];
  await codec.encode(scene(900, 700), { onProgress: (p) => seen.push(p) });
  assert.ok(seen.length > 0 && seen.every((p, i) => p.status === 'work' && p.stage === 'encode' && (i === 0 || p.done >= seen[i - 1].done)));
});

test('an aborted call rejects at once with its reason; the next one is served', async () => {
  const control = new AbortController();
  const image = scene(1500, 1200);
  const reason = new Error('changed my mind');
  const call = codec.encode(image, { signal: control.signal });
  setTimeout(() => control.abort(reason), 60);
  await assert.rejects(call, reason);
  assert.equal((await codec.encode(scene(16, 16))).width, 16);
});

test('transfer moves the pixels, otherwise they stay', async () => {
  const image = scene(20, 20);
  await codec.encode(image);
  assert.equal(image.data.length, 1200);
  await codec.encode(image, { transfer: true });
  assert.equal(image.data.length, 0);
});

test('options that do not exist or do not fit are refused', async () => {
  const image = scene(8, 8);
  for (const bad of [{ qualty: 3 }, { quality: 101 }, { quality: 5, bpp: 1 }, { effort: 10 }, { alpha: 'maybe' }, { bpp: -1 }, { quality: NaN }]) {
    await assert.rejects(codec.encode(image, bad), { code: 'ERR_OPTION' }, JSON.stringify(bad));
  }
  for (const [bad, says] of [[{ quality: '50' }, /quality is "50"; it must be a number/], [{ bpp: null }, /bpp is null/], [{ measure: 1 }, /true or false/],
    [{ signal: {} }, /signal is an object; it must be an AbortSignal/], [{ onProgress: true }, /function/], [50, /options as an object, not 50/], [null, /not null/]])
    await assert.rejects(codec.encode(image, bad), (e) => e.code === 'ERR_OPTION' && says.test(e.message), JSON.stringify(bad));
  await assert.rejects(codec.decode(new Uint8Array(9), { onTile: 1 }), { code: 'ERR_OPTION', message: /onTile/ });
  await assert.rejects(createCodec({ timeout: 'soon' }), { code: 'ERR_OPTION', message: /timeout/ });
  await assert.rejects(createCodec({ worker: 1 }), { code: 'ERR_OPTION' });
  await assert.rejects(createCodec({ workers: -1 }), { code: 'ERR_OPTION' });
});

test('files that are damaged, cut, foreign or of another model are errors with codes', async () => {
  const { bytes } = await codec.encode(scene(64, 64));
  const codes = new Set(['ERR_FORMAT', 'ERR_VERSION', 'ERR_MODEL', 'ERR_CHECKSUM', 'ERR_TOO_LARGE']);
  await assert.rejects(codec.decode(new Uint8Array(0)), { code: 'ERR_FORMAT' });
  await assert.rejects(codec.decode(new TextEncoder().encode('no picture at all, just a sentence')), { code: 'ERR_FORMAT' });
  for (let n = 1; n < bytes.length; n += Math.max(1, bytes.length >> 5)) {
    await codec.decode(bytes.subarray(0, n)).catch((error) => assert.ok(codes.has(error.code), `cut at ${n}: ${error.code}`));
    await codec.decode(bytes.subarray(0, n), { strict: true }).then(() => assert.fail(`cut at ${n} passed`), (error) => assert.ok(codes.has(error.code), `cut at ${n}: ${error.stack}`));
  }
  for (let at = 0; at < bytes.length; at += 3) {
    const bad = bytes.slice();
    bad[at] ^= 1 << at % 8;
    await codec.decode(bad, { strict: true }).then(() => assert.fail(`a flip at ${at} passed`), (error) => assert.ok(codes.has(error.code), `flip at ${at}: ${error.code}`));
  }
});

test('inputs that are no pictures are errors that say what to do', async () => {
  for (const bad of [null, 5, {}, { width: 3, height: 3 }, { data: new Uint8Array(5), width: 2, height: 2 }, new Uint8Array(0)]) {
    await assert.rejects(codec.encode(bad), { code: 'ERR_INPUT' });
  }
  await assert.rejects(codec.encode('no/such/file.png'), { code: 'ERR_LOAD', url: 'no/such/file.png' });
});

test('PNG and PPM are read from bytes, paths, file URLs and blobs', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tesserae-'));
  try {
    const { data } = scene(12, 9);
    const ppm = Buffer.concat([Buffer.from('P6 12 9 255\n'), data]);
    const name = path.join(folder, 'a.ppm');
    await writeFile(name, ppm);
    const expected = (await codec.encode({ data, width: 12, height: 9 })).bytes;
    for (const form of [ppm, name, new URL(`file://${name}`), new Blob([ppm])]) assert.deepEqual((await codec.encode(form)).bytes, expected);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('same thread, one worker and two give the same bytes', async () => {
  const image = scene(90, 60);
  const expected = (await codec.encode(image)).bytes;
  for (const workers of [0, 2]) {
    const other = await createCodec({ workers });
    try {
      assert.equal(other.backend.where, workers ? 'node-worker' : 'node');
      assert.equal(other.backend.workers, workers);
      const all = await Promise.all(Array.from({ length: 4 }, () => other.encode(image)));
      for (const { bytes } of all) assert.deepEqual(bytes, expected);
    } finally {
      await other.dispose();
    }
  }
});

test('dispose ends pending calls with AbortError, later ones with ERR_DISPOSED', async () => {
  const other = await createCodec();
  const pending = other.encode(scene(1200, 900));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await other.dispose();
  await assert.rejects(pending, { name: 'AbortError' });
  await assert.rejects(other.encode(scene(8, 8)), { code: 'ERR_DISPOSED' });
  await other.dispose();
});

test('a dead worker rejects what was pending; the next call starts a new one, model and all', async () => {
  const other = await createCodec({ workerURL: new URL('dying-worker.mjs', import.meta.url) });
  try {
    const expected = (await codec.encode(scene(16, 16))).bytes;
    await assert.rejects(other.encode(scene(13, 13)), { code: 'ERR_WORKER', message: /next call/ });
    assert.deepEqual((await other.encode(scene(16, 16))).bytes, expected);
  } finally {
    await other.dispose();
  }
});

test('what cannot be loaded is an error that names it, and a later attempt may succeed', async () => {
  await assert.rejects(createCodec({ workerURL: new URL('nowhere.mjs', import.meta.url) }), { code: 'ERR_LOAD', url: /nowhere\.mjs$/ });
  await assert.rejects(createCodec({ wasmURL: new URL('nowhere.wasm', import.meta.url) }), { code: 'ERR_LOAD', url: /nowhere\.wasm$/ });
  await assert.rejects(createCodec({ wasmURL: new URL('package.json', root) }), { code: 'ERR_LOAD', url: /package\.json$/ });
  await assert.rejects(createCodec({ model: new URL('nowhere.safetensors', import.meta.url) }), { code: 'ERR_LOAD', url: /nowhere\.safetensors$/ });
  await assert.rejects(createCodec({ model: new URL('package.json', root) }), { code: 'ERR_MODEL' });
  await assert.rejects(createCodec({ model: 'foto' }), { code: 'ERR_MODEL' });
  await assert.rejects(createCodec({ signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
  const wasmModule = await WebAssembly.compile(await readFile(new URL('dist/tesserae-simd.wasm', root)));
  const other = await createCodec({ wasmModule });
  assert.equal(other.backend.build, 'simd128');
  await other.dispose();
});

test('a model file that is cut or lies is ERR_MODEL or ERR_FORMAT', async () => {
  const file = new Uint8Array(await readFile(new URL('models/photo.safetensors', root)));
  const lie = file.slice();
  lie[3] = 0x7f; // a header of two gigabytes
  for (const bad of [file.subarray(0, 4000), file.subarray(0, file.length - 4), lie]) {
    await assert.rejects(createCodec({ model: bad }), (error) => error instanceof TesseraeError && ['ERR_MODEL', 'ERR_FORMAT', 'ERR_TOO_LARGE'].includes(error.code));
  }
});

test('models: load, info, save, use, dispose', async () => {
  const model = await tesserae.loadModel('photo');
  assert.deepEqual(model.info, codec.model);
  const file = await model.save();
  assert.equal(file.length, model.info.bytes);
  assert.equal((await model.toBlob()).size, file.length);
  const other = await createCodec({ model });
  assert.deepEqual((await other.encode(scene(24, 24))).bytes, (await codec.encode(scene(24, 24))).bytes);
  await other.dispose();
  model.dispose();
  await assert.rejects(model.save(), { code: 'ERR_DISPOSED' });
  const listed = await tesserae.models.list();
  assert.deepEqual(listed.map(({ name, cached }) => [name, cached]), [['photo', false], ['avatars', false], ['digits', false], ['emoji', false]]);
  assert.equal(listed[0].bytes, file.length);
  for (const { name, bytes } of listed) assert.ok(bytes > 1e5 && bytes <= 12e6, `${name}: ${bytes} bytes`);
});

test('a code alone has a picture of one token', async () => {
  const patch = await codec.codebook.patch(3);
  assert.deepEqual([patch.width, patch.height], [codec.model.factor, codec.model.factor]);
  assert.equal(codec.codebook.vector(3).length, codec.codebook.dim);
});

test('the one-shot forms and the stream', async () => {
  const image = scene(48, 32);
  const bytes = await tesserae.encode(image, { quality: 40 });
  assert.deepEqual(bytes, (await codec.encode(image, { quality: 40 })).bytes);
  assert.equal((await tesserae.decode(bytes)).width, 48);
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(image);
      controller.enqueue(image);
      controller.close();
    },
  }).pipeThrough(tesserae.encodeStream({ quality: 40 }));
  const files = [];
  for await (const file of stream) files.push(file);
  assert.deepEqual(files, [bytes, bytes]);
});

test('a script that disposes of nothing still ends', async () => {
  const script = `import { encode, decode } from ${JSON.stringify(new URL('dist/node.js', root).href)};
    const file = await encode({ data: new Uint8Array(300), width: 10, height: 10 });
    console.log((await decode(file)).width);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 60000 });
  assert.equal(stdout.trim(), '10');
});
