// The core's wrapper over the built module: memory stays flat, whatever happens to the jobs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Core } from '../../web/core.js';
import { version } from '../../web/version.js';
import { scene } from './pictures.mjs';

const file = (name) => readFile(new URL(`../../${name}`, import.meta.url));
const finish = (job) => {
  for (;;) {
    const { done, value } = job.next();
    if (done) return value;
  }
};

async function loadedCore() {
  const core = await Core.create(await WebAssembly.compile(await file('dist/tesserae-simd.wasm')));
  core.load(new Uint8Array(await file('models/photo.safetensors')));
  return core;
}

test('the core is of the same version', async () => {
  assert.equal((await loadedCore()).version, version);
});

test('fifty encodes and decodes, aborted jobs and failed ones leave the memory as it was', async () => {
  const core = await loadedCore();
  const pixels = scene(200, 150);
  const damaged = new TextEncoder().encode('TES is not enough');
  let size = 0;
  for (let i = 0; i < 50; i++) {
    const { bytes } = finish(core.encode({ pixels, options: {} }));
    assert.equal(finish(core.decode({ bytes, options: {} })).width, 200);
    const aborted = core.encode({ pixels, options: {} });
    aborted.next();
    aborted.return();
    assert.throws(() => finish(core.decode({ bytes: damaged, options: {} })), { code: 'ERR_FORMAT' });
    if (i === 2) size = core.heap.byteLength;
  }
  assert.equal(core.heap.byteLength, size);
});

test('loading a model over and over leaves the memory as it was', async () => {
  const core = await loadedCore();
  const bytes = new Uint8Array(await file('models/photo.safetensors'));
  core.load(bytes);
  const size = core.heap.byteLength;
  for (let i = 0; i < 5; i++) core.load(bytes);
  assert.throws(() => core.load(bytes.subarray(0, 5000)), { code: /ERR_(FORMAT|MODEL)/ });
  core.load(bytes);
  assert.equal(core.heap.byteLength, size);
});

test('an import that is not there is a trap, not a silence', async () => {
  const bytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0, 7, 5, 1, 1, 99, 0, 0);
  await assert.rejects(Core.create(await WebAssembly.compile(bytes)), TypeError); // no tess_alloc among its exports
});
