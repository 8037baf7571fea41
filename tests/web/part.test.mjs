// Parts of a model: where they are looked for, that they come once, and that every worker gets them ahead of the call.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createCodec, loadModel } from '../../dist/node.js';
import { Parts } from '../../web/part.js';
import { fixture, split } from './safetensors.mjs';
import { scene } from './pictures.mjs';

const whole = fixture('upscaler');
let hash, model, part, folder, expected;
const image = scene(12, 9);
before(async () => {
  ({ hash } = (await loadModel(whole)).info);
  ({ model, part } = split(whole, 'upscaler', hash));
  folder = await mkdtemp(path.join(tmpdir(), 'tesserae-part-'));
  const codec = await createCodec({ model: whole, threads: 1 });
  expected = (await codec.upscale(image)).data;
  await codec.dispose();
});
after(() => rm(folder, { recursive: true, force: true }));

/** A codec for the length of a test. @param {any} t @param {any} options */
async function codecFor(t, options) {
  const codec = await createCodec({ threads: 1, ...options });
  t.after(() => codec.dispose());
  return codec;
}

test('a part of the same model gives what the whole gives, and the model says so afterwards', async (t) => {
  const codec = await codecFor(t, { model });
  assert.deepEqual([codec.model.hash, codec.model.tasks, codec.model.upscaler], [hash, ['compress', 'reconstruct', 'inpaint'], undefined]);
  assert.deepEqual((await codec.upscale(image, { part })).data, expected);
  assert.deepEqual(codec.model.upscaler.factors, [2, 4]);
});

test('beside the model: a file', async (t) => {
  const file = path.join(folder, 'small.safetensors');
  await writeFile(file, model);
  const codec = await codecFor(t, { model: file });
  const beside = path.join(folder, 'small.upscaler.safetensors');
  await assert.rejects(codec.upscale(image), { code: 'ERR_LOAD', message: /"upscaler" has no upscaler.*small\.upscaler\.safetensors.*option part/, url: beside });
  await writeFile(beside, part);
  assert.deepEqual((await codec.upscale(image)).data, expected, 'the failure was not kept');
  const again = await codecFor(t, { model: await loadModel(file) });
  assert.deepEqual((await again.upscale(image)).data, expected, 'a Model knows where it came from');
});

test('beside the model: an address, asked for once, with progress', async (t) => {
  const asked = [];
  const files = { 'https://x.test/m.safetensors?v=1': model, 'https://x.test/m.upscaler.safetensors?v=1': part };
  const fetch = async (url) => (asked.push(url), files[url] ? new Response(files[url]) : new Response('', { status: 404 }));
  const codec = await codecFor(t, { model: 'https://x.test/m.safetensors?v=1', fetch });
  const heard = [];
  const both = await Promise.all([codec.upscale(image, { onProgress: (p) => heard.push(p) }), codec.upscale(image)]);
  both.push(await codec.upscale(image));
  for (const { data } of both) assert.deepEqual(data, expected);
  assert.deepEqual(asked, Object.keys(files));
  assert.deepEqual(heard.filter(({ status }) => status === 'download').map(({ file, loaded }) => [file, loaded]), [['m.upscaler.safetensors', part.length]]);
});

test('the bundled photo model counts the part beside it', async () => assert.ok((await loadModel('photo')).info.tasks.includes('upscale')));

describe('errors say what to do', () => {
  test('no place to look', async (t) => {
    const codec = await codecFor(t, { model });
    await assert.rejects(codec.upscale(image), { code: 'ERR_MODEL', message: /has no upscaler.*option part.*"photo"/ });
  });
  test('a part of another model', async (t) => {
    const codec = await codecFor(t, { model });
    const other = split(whole, 'upscaler', '0123456789abcdef').part;
    await assert.rejects(codec.upscale(image, { part: other }), { code: 'ERR_MODEL', message: new RegExp(`0123456789abcdef.*${hash}`) });
    await assert.rejects(codec.upscale(image, { part: whole }), { code: 'ERR_MODEL', message: /no part of a model/ });
    await assert.rejects(codec.upscale(image, { part: new TextEncoder().encode('<!doctype html>') }), { code: 'ERR_MODEL', message: /HTML page/ });
    assert.deepEqual((await codec.upscale(image, { part })).data, expected);
  });
  test('a part for a model that holds one, and a part in place of a model', async (t) => {
    const codec = await codecFor(t, { model: whole });
    await assert.rejects(codec.upscale(image, { part }), { code: 'ERR_MODEL', message: /of its own/ });
    await assert.rejects(createCodec({ model: part }), { code: 'ERR_MODEL', message: /load that one/ });
  });
});

describe('the worker', () => {
  /** Parts over workers that only note what they are asked. */
  function stage() {
    const calls = [];
    const channel = (name) => ({
      call: async (op, args) => (calls.push([name, op, args?.bytes?.length]), op === 'add' ? { upscaler: { factors: [4] } } : name),
    });
    const client = { channel: channel('first'), ready: async () => ({ channel: client.channel }) };
    return { calls, client, channel, parts: new Parts(client, { name: 'm' }, {}) };
  }

  test('is given a part once, ahead of the call; one that takes its place, again', async () => {
    const { calls, client, channel, parts } = stage();
    const bytes = part.slice();
    const answers = await Promise.all([parts.call('upscaler', bytes, 'upscale', {}), parts.call('upscaler', bytes, 'upscale', {})]);
    client.channel = channel('second');
    answers.push(await parts.call('upscaler', bytes, 'upscale', {}));
    assert.deepEqual(answers, ['first', 'first', 'second']);
    assert.deepEqual(calls.map(([name, op]) => `${name} ${op}`), ['first add', 'first upscale', 'first upscale', 'second add', 'second upscale']);
    assert.equal(calls[0][2], bytes.length);
  });

  test('gets the part that each of two calls names, in their order', async () => {
    const { calls, parts } = stage();
    const other = split(whole, 'upscaler', '0123456789abcdef with more').part;
    await Promise.all([part, other].map((bytes) => parts.call('upscaler', bytes, 'upscale', {})));
    assert.deepEqual(calls.map(([, op, size]) => [op, size]), [['add', part.length], ['upscale', undefined], ['add', other.length], ['upscale', undefined]]);
  });

  test('is not asked once the caller has given up, before the part is there or while another takes its turn', async () => {
    const { calls, client, parts } = stage();
    const reason = new Error('enough');
    await assert.rejects(parts.call('upscaler', part, 'upscale', {}, { signal: AbortSignal.abort(reason) }), reason);
    assert.deepEqual(calls, []);
    let added;
    client.channel.call = (op) => (calls.push(op), op === 'add' ? new Promise((resolve) => (added = resolve)) : Promise.resolve(op));
    const first = parts.call('upscaler', part, 'upscale', {});
    const stop = new AbortController();
    const second = parts.call('upscaler', part, 'second', {}, { signal: stop.signal });
    while (!added) await new Promise((resolve) => setTimeout(resolve));
    stop.abort(reason);
    await assert.rejects(second, reason);
    added({ upscaler: {} });
    assert.equal(await first, 'upscale');
    assert.deepEqual(calls, ['add', 'upscale']);
  });
});
