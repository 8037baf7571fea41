// The core's wrapper over the built module: memory stays flat, whatever happens to the jobs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Core } from '../../web/core.js';
import { readInfo } from '../../web/format.js';
import { version } from '../../web/version.js';
import { scene } from './pictures.mjs';
import { withPredictors } from './predictor.mjs';

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

test('readInfo and the core read headers alike, cut anywhere and with any bit flipped', async () => {
  const core = await loadedCore();
  const room = core.alloc(4096);
  /** What the core says: its JSON, or the name of its status. */
  const told = (bytes) => {
    const status = core.lend(bytes, (at, size) => core.c.tess_file_info(at, size, room, 4096));
    return status < 0 ? core.text(core.c.tess_status_name(status)) : JSON.parse(core.text(room));
  };
  const found = (bytes) => {
    try {
      return readInfo(bytes);
    } catch (error) {
      return error.code;
    }
  };
  let compared = 0;
  const agree = (bytes, what) => {
    const [c, js] = [told(bytes), found(bytes)];
    if (typeof c === 'string') return assert.equal(js, c, what);
    compared++;
    const { width, height, alpha, coder, tokens, levels, tiles, bytes: size } = c;
    assert.deepEqual({ width: js.width, height: js.height, alpha: js.alpha, coder: js.coder, tokens: js.tokens, levels: js.levels, tiles: js.tiles, bytes: js.bytes }, { width, height, alpha, coder, tokens, levels, tiles, bytes: size }, what);
    assert.equal(js.model.hash, c.model);
    assert.equal(js.whole, c.wholeBytes <= size);
  };
  core.load(withPredictors(await file('tests/fixtures/golden/tiny.safetensors'), [0]));
  for (const [width, height, channels, predict] of [[1, 1, 3, false], [600, 40, 4, false], [33, 20, 1, true]]) {
    const { bytes } = finish(core.encode({ pixels: scene(width, height, channels), options: { predict } }));
    const header = Math.min(bytes.length, 120);
    for (let n = 0; n <= bytes.length; n += n < header ? 1 : 37) agree(bytes.subarray(0, n), `cut at ${n}`);
    for (let bit = 0; bit < header * 8; bit++) {
      const bad = bytes.slice();
      bad[bit >> 3] ^= 1 << (bit & 7);
      agree(bad, `bit ${bit} flipped`);
    }
  }
  assert.ok(compared > 3);
});
