// The watchdog: a worker that hangs is ended, one that works or sleeps is not. Beats are the test's own: no speed is in them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createCodec, TesseraeError, trainerConfig, version } from '../../dist/node.js';
import { Channel } from '../../web/channel.js';
import { Client } from '../../web/client.js';
import { Watchdog } from '../../web/watchdog.js';
import { afresh } from './crash-run.mjs';
import { fakePort } from './ports.mjs';

/** A timer that beats when the test says so; `running` holds what has been started and not stopped. */
function handTimer() {
  const running = new Set();
  const timer = (beat, ms) => {
    timer.ms = ms;
    running.add(beat);
    return () => running.delete(beat);
  };
  const beat = (times = 1) => {
    for (; times > 0 && running.size; times--) for (const one of [...running]) one();
  };
  return Object.assign(timer, { running, beat });
}

const MANY = 1000;
const image = (width) => ({ data: new Uint8Array(width * 3), width, height: 1, channels: 3 });
const pings = (port) => port.sent.filter(({ message }) => message.ping).length;
const patient = { timeout: 120_000 }; // for what would wait for ever
const hangs = { code: 'ERR_WORKER', message: /no sign of life/ };

test('a silent worker is asked, then ended; all that was pending rejects, and so does what comes later', async () => {
  const [port, timer] = [fakePort(), handTimer()];
  const channel = new Channel(port, 3000, timer);
  const calls = [channel.call('compare', {}), channel.call('compare', {})];
  timer.beat(3);
  assert.equal(pings(port), 1);
  assert.equal(port.terminated, 0);
  timer.beat(MANY);
  for (const call of calls) await assert.rejects(call, { ...hangs, message: /no sign of life for 3000 ms.*"silence"/ });
  assert.equal(port.terminated, 1);
  assert.equal(timer.running.size, 0);
  await assert.rejects(channel.call('compare', {}), hangs);
});

test('a worker that answers, or tells of progress, is not ended however long its call takes', async () => {
  for (const word of [{ pong: true }, { id: 1, progress: { step: 1 } }]) {
    const [port, timer] = [fakePort(), handTimer()];
    const channel = new Channel(port, 3000, timer);
    const call = channel.call('compare', {});
    for (let asked = 1; asked < 100; asked++) {
      while (pings(port) < asked) timer.beat();
      port.reply(word);
    }
    port.reply({ id: 1, value: 'late' });
    assert.equal(await call, 'late');
    assert.equal(port.terminated, 0);
  }
});

test('time that the page did not run does not count', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setInterval'] });
  const real = performance.now;
  t.after(() => { performance.now = real; });
  let lost = 0;
  const timer = handTimer();
  const dog = new Watchdog({ ask: () => {}, lost: () => lost++ }, 1000, timer);
  dog.start();
  timer.beat(5);
  performance.now = () => real.call(performance) + 3.6e6; // an hour later
  t.mock.timers.setTime(3.6e6);
  timer.beat();
  assert.equal(lost, 0);
  timer.beat(MANY);
  assert.equal(lost, 1);
});

test('nothing is watched while nothing is pending', async () => {
  const [port, timer] = [fakePort(), handTimer()];
  const channel = new Channel(port, 3000, timer);
  assert.equal(timer.running.size, 0);
  const calls = [channel.call('compare', {}), channel.call('compare', {})];
  assert.equal(timer.running.size, 1);
  port.reply({ id: 1, value: 0 });
  assert.equal(timer.running.size, 1);
  port.reply({ id: 2, value: 0 });
  assert.equal(timer.running.size, 0);
  await Promise.all(calls);
  const control = new AbortController();
  const call = channel.call('compare', {}, { signal: control.signal });
  control.abort(new Error('enough'));
  await assert.rejects(call, /enough/);
  assert.equal(timer.running.size, 0);
  const last = channel.call('compare', {});
  channel.close(new Error('over'));
  await assert.rejects(last, /over/);
  assert.equal(timer.running.size, 0);
});

test('silence is shared out over beats that timers can take', () => {
  const ms = (silence) => {
    const timer = handTimer();
    new Watchdog({ ask: () => {}, lost: () => {} }, silence, timer).start();
    return timer.ms;
  };
  assert.ok(ms(40000) > 100 && ms(40000) < 10000);
  assert.equal(ms(undefined), 1.5 * ms(40000));
  assert.equal(ms(Infinity), 2 ** 31 - 1);
});

/** The package's worker, or one like it, behind a channel whose beats are the test's. */
function client(timer, workerURL) {
  const words = [];
  const heard = new EventTarget();
  const made = new Client(async () => {
    const worker = new Worker(new URL(workerURL, import.meta.url), { execArgv: [] });
    const channel = new Channel({
      post: (message, transfer) => worker.postMessage(message, transfer),
      terminate: () => void worker.terminate(),
      listen(message, dead) {
        worker.on('message', (data) => {
          words.push(data);
          message(data);
          heard.dispatchEvent(new Event('word'));
        });
        worker.on('error', dead);
      },
    }, 1000, timer);
    assert.equal(await channel.hello, version);
    return { channel, backend: await channel.call('init', { kind: 'studio', timeout: 60000, backend: 'simd', threads: 1 }) };
  });
  /** Resolves at the next word that this is true of. */
  const word = async (is) => {
    while (!words.some(is)) await once(heard, 'word');
    words.length = 0;
  };
  return { client: made, word };
}

test('a worker that spins is ended, and the next call starts afresh', patient, async () => {
  const timer = handTimer();
  const { client: own, word } = client(timer, 'spinning-worker.mjs');
  const { channel } = await own.ready();
  const same = { a: image(8), b: image(8) };
  const first = await own.call('compare', same);

  const spun = channel.call('tokenize', { pixels: image(13), options: {} });
  const stuck = channel.call('compare', same);
  await word(({ progress }) => progress === 'spinning');
  timer.beat(MANY);
  await assert.rejects(spun, hangs);
  await assert.rejects(stuck, hangs);

  assert.deepEqual(await own.call('compare', same), first);
  own.dispose();
});

test('a worker in the middle of a long run answers a ping', patient, async () => {
  const timer = handTimer();
  const { client: own, word } = client(timer, '../../dist/node-worker.js');
  const { channel } = await own.ready();
  const { data, backend, threads, ...options } = afresh(1e6);
  await own.call('trainer.create', { config: trainerConfig(options, data) });
  for (const pixels of data) await own.call('trainer.add', { pixels, transfer: false, validation: false });
  const run = channel.call('trainer.run', { steps: 1e6, every: 1e6 });
  for (let i = 0; i < 3; i++) {
    timer.beat(2);
    await word(({ pong }) => pong);
  }
  assert.ok(channel.open);
  await own.call('trainer.stop', {});
  assert.ok((await run).step > 0);
  own.dispose();
});

test('the option reaches the worker of a codec, and must be above 0', async () => {
  const options = { workerURL: new URL('mute-worker.mjs', import.meta.url), silence: 2000 };
  const codec = await createCodec(options);
  for (let i = 0; i < 2; i++) await assert.rejects(codec.tokenize(image(8)), { ...hangs, message: /2000 ms/ });
  await codec.dispose();
  for (const silence of [0, -1, NaN, '9'])
    await assert.rejects(createCodec({ silence }), (error) => error instanceof TesseraeError && error.code === 'ERR_OPTION' && /silence .*above 0/.test(error.message));
});
