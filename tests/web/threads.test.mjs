// Threads on shared memory, in Node: the same bytes for any number of them, and no helper's death hangs the core.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createCodec, createTrainer } from '../../dist/node.js';
import { Core } from '../../web/core.js';
import { hire } from '../../web/crew.js';
import { scene } from './pictures.mjs';

const file = (name) => readFile(new URL(`../../${name}`, import.meta.url));
const finish = (job) => {
  for (;;) {
    const { done, value } = job.next();
    if (done) return value;
  }
};

/** A worker that runs `source`, with what it says. */
function helper(source, heard, message) {
  const worker = new Worker(source, source instanceof URL ? {} : { eval: true });
  worker.on('message', (data) => 'helps' in data && heard(data.helps));
  worker.on('error', () => heard(false));
  worker.postMessage(message);
  worker.unref();
  return worker;
}
const real = new URL('../../dist/node-worker.js', import.meta.url);

async function threadedCore() {
  const module = await WebAssembly.compile(await file('dist/tesserae-simd-threads.wasm'));
  const core = await Core.create(module);
  core.load(new Uint8Array(await file('models/photo.safetensors')));
  return { core, module };
}

test('any number of threads writes one file and paints one picture', async () => {
  const image = scene(300, 220);
  const results = [];
  for (const threads of [1, 2, 3]) {
    const codec = await createCodec({ threads, backend: 'simd-threads' });
    try {
      assert.deepEqual([codec.backend.threads, codec.backend.build, codec.backend.note], [threads, 'simd128', undefined]);
      const { bytes } = await codec.encode(image, { quality: 70 });
      const sized = await codec.encode(image, { targetSize: 2000 });
      results.push([[...bytes], [...sized.bytes], [...(await codec.decode(bytes)).data]].join());
    } finally {
      await codec.dispose();
    }
  }
  assert.equal(results[1], results[0]);
  assert.equal(results[2], results[0]);
});

test('any number of threads trains one model', async () => {
  const data = Array.from({ length: 4 }, (_, i) => scene(32, 32, 3, i + 1));
  const models = [];
  for (const threads of [1, 2]) {
    const trainer = await createTrainer({ data, batch: 4, steps: 4, width: 16, codebook: { size: 16, dim: 4 }, seed: 5, threads });
    try {
      assert.equal(trainer.backend.threads, threads);
      for await (const step of trainer.run()) assert.ok(step.step);
      models.push([...(await trainer.checkpoint())].join());
    } finally {
      await trainer.dispose();
    }
  }
  assert.equal(models[1], models[0]);
});

test('wrong options are errors; a build that cannot be is replaced, and the backend says so', async () => {
  for (const options of [{ threads: 0 }, { threads: 1.5 }, { threads: 'many' }, { backend: 'scalar' }])
    await assert.rejects(createCodec(options), { code: 'ERR_OPTION' });
  const codec = await createCodec({ workers: 0, backend: 'simd-threads', threads: 2 });
  assert.deepEqual([codec.backend.threads, codec.backend.where], [1, 'node']);
  assert.match(codec.backend.note, /one thread/);
  await codec.dispose();
});

test('helpers that come never, late, or die between two jobs cost nothing but time', async () => {
  const { core, module } = await threadedCore();
  const pixels = scene(200, 150);
  const alone = finish(core.encode({ pixels, options: {} })).bytes;
  const workers = [];
  const came = await hire(core, module, 2, (message, heard) => {
    workers.push(helper(workers.length ? 'setInterval(() => {}, 1000)' : real, heard, message));
  });
  assert.equal(came, 1, 'the second never says that it is there');
  core.threads = 3;
  assert.deepEqual(finish(core.encode({ pixels, options: {} })).bytes, alone);
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.deepEqual(finish(core.encode({ pixels, options: {} })).bytes, alone);
});

test('a helper that fails inside its work stops the core, which would miss a piece', async () => {
  const { core, module } = await threadedCore();
  const pixels = scene(200, 150);
  let worker;
  await hire(core, module, 1, (message, heard) => {
    message.help.stack = 16; // no room: the first task that needs some falls off the memory's end
    worker = helper(real, heard, message);
  });
  core.threads = 2;
  try {
    assert.throws(() => {
      for (let i = 0; i < 20; i++) finish(core.encode({ pixels, options: {} }));
    }, WebAssembly.RuntimeError);
  } finally {
    await worker.terminate();
  }
});

test('memory that a call grows is seen by the views after it, and stays as it is over many jobs', async () => {
  const { core, module } = await threadedCore();
  const workers = [];
  core.threads += await hire(core, module, 1, (message, heard) => workers.push(helper(real, heard, message)));
  const before = core.heap.byteLength;
  const pixels = scene(640, 480);
  const { bytes } = finish(core.encode({ pixels, options: {} }));
  assert.equal(finish(core.decode({ bytes, options: {} })).width, 640);
  const after = core.heap.byteLength;
  assert.ok(after > before, `${before} bytes grew to ${after}`);
  for (let i = 0; i < 3; i++) finish(core.encode({ pixels, options: {} }));
  assert.equal(core.heap.byteLength, after);
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('instances on one memory allocate at the same time', async () => {
  const { core, module } = await threadedCore();
  const hammer = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', async ({ url, module, memory, stack }) => {
      const { instantiate } = await import(url);
      const { __stack_pointer, tess_alloc, tess_free } = await instantiate(module, memory);
      __stack_pointer.value = stack;
      try {
        for (let i = 0; i < 300000; i++) tess_free(tess_alloc(16 + (i % 64) * 100));
        parentPort.postMessage('done');
      } catch (error) {
        parentPort.postMessage(error.message);
      }
    });`;
  const url = new URL('../../web/wasm.js', import.meta.url).href;
  const said = await Promise.all(
    [0, 1, 2].map(async () => {
      const worker = new Worker(hammer, { eval: true });
      worker.postMessage({ url, module, memory: core.memory, stack: core.alloc(65536) + 65536 });
      const answer = await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      return answer;
    }),
  );
  assert.deepEqual(said, ['done', 'done', 'done']);
});
