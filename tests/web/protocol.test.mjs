// The protocol over fake ports: what goes out, what comes back, and what happens when either side goes wrong.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Channel, within } from '../../web/channel.js';
import { Client } from '../../web/client.js';
import { fromWire, TesseraeError, toWire } from '../../web/errors.js';
import { OPS } from '../../web/protocol.js';
import { serve } from '../../web/server.js';
import { fakePort } from './ports.mjs';

const image = () => ({ data: new Uint8Array(12), width: 2, height: 2, channels: 3 });

test('answers reach their own calls, in any order', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const calls = ['a', 'b', 'c'].map(() => channel.call('compare', {}));
  const ids = port.sent.map(({ message }) => message.id);
  assert.equal(new Set(ids).size, 3);
  for (const i of [2, 0, 1]) port.reply({ id: ids[i], value: i });
  assert.deepEqual(await Promise.all(calls), [0, 1, 2]);
  assert.equal(channel.pending.size, 0);
});

test('pixels are moved only when they may be', () => {
  const port = fakePort();
  const channel = new Channel(port);
  const pixels = image();
  channel.call('encode', { pixels, transfer: false }).catch(() => {});
  channel.call('encode', { pixels, transfer: true }).catch(() => {});
  assert.deepEqual(port.sent[0].transfer, []);
  assert.deepEqual(port.sent[1].transfer, [pixels.data.buffer]);
});

test('progress comes before the answer, and none after it', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const seen = [];
  const call = channel.call('decode', {}, { onProgress: (p) => seen.push(p) });
  const { id } = port.sent[0].message;
  port.reply({ id, progress: 1 });
  port.reply({ id, progress: 2 });
  port.reply({ id, value: 'done' });
  port.reply({ id, progress: 3 });
  assert.equal(await call, 'done');
  assert.deepEqual(seen, [1, 2]);
});

test('errors keep code, sentence and url on their way', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const call = channel.call('inspect', {});
  port.reply({ id: 1, error: toWire(new TesseraeError('ERR_MODEL', 'Wrong model.', { url: 'x:y' })) });
  await assert.rejects(call, (error) => error instanceof TesseraeError && error.code === 'ERR_MODEL' && error.message === 'Wrong model.' && error.url === 'x:y');
  assert.ok(channel.open, 'a plain error leaves the worker alive');
});

test('a trap ends the worker; everything pending is rejected', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const [first, second] = [channel.call('encode', { pixels: image() }), channel.call('decode', {})];
  port.reply({ id: 1, error: toWire(new WebAssembly.RuntimeError('unreachable')) });
  await assert.rejects(first, { code: 'ERR_WORKER' });
  await assert.rejects(second, { code: 'ERR_WORKER' });
  assert.equal(port.terminated, 1);
  await assert.rejects(channel.call('decode', {}), { code: 'ERR_WORKER' });
});

test('abort rejects with the reason at once, and tells the other side', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const control = new AbortController();
  const call = channel.call('encode', { pixels: image() }, { signal: control.signal });
  const reason = new Error('enough');
  control.abort(reason);
  await assert.rejects(call, reason);
  assert.deepEqual(port.sent.at(-1).message, { cancel: 1 });
  port.reply({ id: 1, value: 'too late' });
  const sent = port.sent.length;
  await assert.rejects(channel.call('encode', { pixels: image() }, { signal: control.signal }), reason);
  assert.equal(port.sent.length, sent, 'nothing is sent for a call that is aborted already');
});

test('an answered call no longer listens to its signal', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  const control = new AbortController();
  const call = channel.call('decode', {}, { signal: control.signal });
  port.reply({ id: 1, value: 5 });
  assert.equal(await call, 5);
  control.abort();
  assert.equal(port.sent.length, 1);
});

test('the process is held alive exactly while calls are pending', async () => {
  const port = fakePort();
  const channel = new Channel(port);
  assert.equal(port.held, -1);
  const calls = [channel.call('decode', {}), channel.call('decode', {})];
  assert.equal(port.held, 0);
  port.reply({ id: 1, value: 0 });
  assert.equal(port.held, 0);
  port.reply({ id: 2, value: 0 });
  assert.equal(port.held, -1);
  await Promise.all(calls);
});

test('a client starts a new worker after one died, sets it up again, and keeps no failed start', async () => {
  const ports = [];
  let failing = true;
  let setups = 0;
  const client = new Client(async () => {
    if (failing) throw new TesseraeError('ERR_LOAD', 'not yet');
    ports.push(fakePort());
    return { channel: new Channel(ports.at(-1)), backend: {} };
  }, async () => ++setups);
  await assert.rejects(client.call('decode', {}), { code: 'ERR_LOAD' });
  failing = false;

  const first = client.call('decode', {});
  await sleep(1);
  ports[0].dead(new TesseraeError('ERR_WORKER', 'gone'));
  await assert.rejects(first, { code: 'ERR_WORKER' });

  const second = client.call('decode', {});
  await sleep(1);
  ports[1].reply({ id: 1, value: 'alive' });
  assert.equal(await second, 'alive');
  assert.equal(setups, 2);
});

test('dispose rejects what is pending with AbortError, and what comes later with ERR_DISPOSED', async () => {
  const port = fakePort();
  const client = new Client(async () => ({ channel: new Channel(port), backend: {} }));
  const call = client.call('decode', {});
  await sleep(1);
  client.dispose();
  await assert.rejects(call, { name: 'AbortError' });
  await assert.rejects(client.call('decode', {}), { code: 'ERR_DISPOSED' });
  assert.equal(port.terminated, 1);
});

test('dispose while the worker starts ends it all the same', async () => {
  const port = fakePort();
  let started = () => {};
  const client = new Client(() => new Promise((resolve) => { started = () => resolve({ channel: new Channel(port), backend: {} }); }));
  const call = client.call('decode', {});
  client.dispose();
  started();
  await assert.rejects(call, { name: 'AbortError' });
  assert.equal(port.terminated, 1);
});

test('the core side answers unknown ops and calls before init with errors', async () => {
  const replies = [];
  const handle = serve({ post: (m) => replies.push(m), readBytes: async () => new Uint8Array(), urls: () => ({}) });
  handle({ id: 1, op: 'paint', args: {} });
  handle({ id: 2, op: 'decode', args: {} });
  handle({ cancel: 99 });
  await sleep(1);
  assert.deepEqual(replies.map(({ id, error }) => [id, error.code]).sort(), [[1, 'ERR_WORKER'], [2, 'ERR_STATE']]);
});

test('init says what is wrong with the bytes it was given, and may be tried again', async () => {
  const replies = [];
  const page = new TextEncoder().encode('<!doctype html>');
  const handle = serve({ post: (m) => replies.push(m), readBytes: async () => page, urls: () => ({ simd: 'http://x/core.wasm' }) });
  for (const id of [1, 2]) handle({ id, op: 'init', args: { timeout: 100 } });
  await sleep(5);
  for (const { error } of replies) {
    assert.equal(error.code, 'ERR_LOAD');
    assert.match(error.message, /HTML page/);
    assert.equal(error.url, 'http://x/core.wasm');
  }
  assert.equal(replies.length, 2);
});

test('a time-out names the URL', async () => {
  await assert.rejects(within(new Promise(() => {}), 5, 'The worker', 'http://x/worker.js'), { code: 'ERR_TIMEOUT', url: 'http://x/worker.js', message: /http:\/\/x\/worker\.js/ });
  assert.equal(await within(Promise.resolve(3), 5, 'The worker', 'x'), 3);
});

test('every op has its two transfer lists', () => {
  for (const [op, { sends, returns }] of Object.entries(OPS)) assert.ok(typeof sends === 'function' && typeof returns === 'function', op);
});

test('unexpected faults cross as ERR_WORKER and end the worker, plain ones do not', () => {
  assert.deepEqual(toWire(new TypeError('x')).code, 'ERR_WORKER');
  assert.equal(toWire(new TypeError('x')).fatal, true);
  assert.equal(toWire(new RangeError('Array buffer allocation failed')).code, 'ERR_MEMORY');
  assert.equal(fromWire(toWire(new TesseraeError('ERR_INPUT', 'x'))).code, 'ERR_INPUT');
  assert.equal(toWire(new TesseraeError('ERR_INPUT', 'x')).fatal, undefined);
});
