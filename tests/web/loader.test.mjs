// The loader's ladder in real Chromium: which rung holds under which bad luck, and what the error says when none does.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { isolation, launch, root } from './browser.mjs';
import { serving } from './ladder.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** Starts a codec in a page of `site` from the script at `script`; gives its backend and that it works, or the error. */
async function start(site, script = '/dist/index.js', options = {}) {
  const page = await browser.context.newPage();
  try {
    await page.goto(site.url);
    return await page.evaluate(async ([from, given]) => {
      const { createCodec } = await import(from);
      try {
        const codec = await createCodec(given);
        const { bytes } = await codec.encode({ data: new Uint8Array(16 * 16 * 3).map((_, i) => i), width: 16, height: 16 });
        const image = await codec.decode(bytes);
        await codec.dispose();
        return { ...codec.backend, works: image.width === 16 && image instanceof ImageData, hash: codec.model.hash, bytes: [...bytes] };
      } catch (error) {
        return { code: error.code, message: error.message, url: error.url };
      }
    }, [script, options]);
  } finally {
    await page.close();
  }
}

async function on(setting, use) {
  const site = await serving(setting);
  try {
    return await use(site);
  } finally {
    await site.close();
  }
}

const lost = (/** @type {RegExp} */ names) => (path) => (names.test(path) ? { status: 404, body: '' } : undefined);

test('a plain page: the module worker, with the relaxed build', () => on({}, async (site) => {
  const { where, build: kind, works } = await start(site);
  assert.deepEqual([where, kind, works], ['worker', 'relaxed', true]);
  assert.ok(!site.asked.includes('/dist/inline.js') && !site.asked.includes('/dist/local.js'), 'the lazy parts are not fetched');
  assert.ok(!site.asked.includes('/dist/tesserae-simd.wasm'), 'one build is fetched');
}));

test('a codec fetches the codec core alone; the studio core comes with the first trainer; a codec core in its place is an error', () => on({}, async (site) => {
  const page = await browser.context.newPage();
  const studio = () => site.asked.filter((path) => path.includes('studio'));
  const train = (options) => page.evaluate(async (given) => {
    const { createTrainer } = await import('/dist/index.js');
    const data = [{ data: new Uint8Array(32 * 32 * 3).map((_, i) => i), width: 32, height: 32 }];
    try {
      const trainer = await createTrainer({ data, batch: 1, steps: 1, width: 16, codebook: { size: 16, dim: 4 }, ...given });
      for await (const { step } of trainer.run()) if (step !== 1) throw new Error(`step ${step}`);
      await trainer.dispose();
      return trainer.backend;
    } catch ({ code, message, url }) {
      return { code, message, url };
    }
  }, options);
  try {
    assert.equal((await start(site)).works, true);
    assert.deepEqual(studio(), []);
    await page.goto(site.url);
    const { where, build: kind } = await train({});
    assert.deepEqual([where, kind], ['worker', 'relaxed']);
    assert.deepEqual(studio(), ['/dist/tesserae-studio-relaxed.wasm']);
    const wrong = await train({ wasmURL: '/dist/tesserae-simd.wasm' });
    assert.equal(wrong.code, 'ERR_LOAD');
    assert.match(wrong.message, /tesserae-studio-\*\.wasm/);
    assert.match(wrong.url, /tesserae-simd\.wasm$/);
  } finally {
    await page.close();
  }
}));

test('the worker inside the package trains, too', () => on({ bend: lost(/worker\.js$|\.wasm$/) }, async (site) => {
  const page = await browser.context.newPage();
  try {
    await page.goto(site.url);
    const { where } = await page.evaluate(async () => {
      const { createTrainer } = await import('/dist/index.js');
      const data = [{ data: new Uint8Array(32 * 32 * 3), width: 32, height: 32 }];
      const trainer = await createTrainer({ data, batch: 1, steps: 1, width: 16, codebook: { size: 16, dim: 4 } });
      await trainer.dispose();
      return trainer.backend;
    });
    assert.equal(where, 'inline-worker');
  } finally {
    await page.close();
  }
}));

test('scripts from another origin: a blob that imports the worker', () => on({ headers: { 'access-control-allow-origin': '*' } }, (cdn) => on({}, async (site) => {
  const { where, build: kind, works } = await start(site, `${cdn.url}dist/index.js`);
  assert.deepEqual([where, kind, works], ['blob-worker', 'relaxed', true]);
})));

test('worker and wasm lost by a bundler: the worker inside the package', () => on({ bend: lost(/worker\.js$|\.wasm$/) }, async (site) => {
  const { where, build: kind, works } = await start(site);
  assert.deepEqual([where, kind, works], ['inline-worker', 'simd128', true]);
}));

test('lost files answered with a page, as single-page servers do', () => on({
  bend: (path) => (/worker\.js$|\.wasm$/.test(path) ? { body: '<!doctype html>', headers: { 'content-type': 'text/html' } } : undefined),
}, async (site) => {
  assert.equal((await start(site)).where, 'inline-worker');
}));

test('only the relaxed build lost: the plain one', () => on({ bend: lost(/relaxed\.wasm$/) }, async (site) => {
  const { where, build: kind } = await start(site);
  assert.deepEqual([where, kind], ['worker', 'simd128']);
}));

test('esbuild without any plugin: the worker inside the package', async () => {
  const result = await build({
    stdin: { contents: `export * from './dist/index.js'`, resolveDir: root }, bundle: true, format: 'esm', write: false, minify: true, logLevel: 'silent',
  });
  await on({ extra: { '/bundle/app.js': result.outputFiles[0].text } }, async (site) => {
    const { where, works } = await start(site, '/bundle/app.js', { model: '/models/photo.safetensors' });
    assert.deepEqual([where, works], ['inline-worker', true]);
  });
});

test('wasm served as octet-stream', () => on({ bend: (path) => (path.endsWith('.wasm') ? { headers: { 'content-type': 'application/octet-stream' } } : undefined) }, async (site) => {
  assert.equal((await start(site)).where, 'worker');
}));

test('a policy with wasm-unsafe-eval: the worker; one without: ERR_CSP', async () => {
  await on({ headers: { 'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'" } }, async (site) => assert.equal((await start(site)).where, 'worker'));
  await on({ headers: { 'content-security-policy': "script-src 'self'" } }, async (site) => {
    const { code, message } = await start(site);
    assert.equal(code, 'ERR_CSP');
    assert.match(message, /wasm-unsafe-eval/);
  });
});

test('a policy without workers: the same thread', () => on({ headers: { 'content-security-policy': "worker-src 'none'" } }, async (site) => {
  const { where, build: kind, works } = await start(site);
  assert.deepEqual([where, kind, works], ['same-thread', 'relaxed', true]);
}));

test('workers: 0 is the same thread, and fetches no worker', () => on({}, async (site) => {
  assert.equal((await start(site, undefined, { workers: 0 })).where, 'same-thread');
  assert.ok(!site.asked.includes('/dist/worker.js'));
}));

test('a worker that never comes: the next rung after the time-out; named by the error when it was asked for', () => on({ bend: (path) => (/\/worker\.js$/.test(path) ? { hang: true } : undefined) }, async (site) => {
  assert.equal((await start(site, undefined, { timeout: 600 })).where, 'inline-worker');
  const { code, url } = await start(site, undefined, { timeout: 400, workerURL: '/dist/worker.js' });
  assert.equal(code, 'ERR_TIMEOUT');
  assert.match(url, /worker\.js$/);
}));

test('overrides are used, and named where they fail', () => on({ bend: (path) => (path === '/elsewhere/core.wasm' ? { headers: {} } : undefined) }, async (site) => {
  const good = await start(site, undefined, { wasmURL: '/dist/tesserae-simd.wasm', workerURL: '/dist/worker.js' });
  assert.deepEqual([good.where, good.build], ['worker', 'simd128']);
  const lostWasm = await start(site, undefined, { wasmURL: '/nowhere/core.wasm' });
  assert.equal(lostWasm.code, 'ERR_LOAD');
  assert.equal(lostWasm.url, `${site.url}nowhere/core.wasm`);
  const lostWorker = await start(site, undefined, { workerURL: '/nowhere/worker.js' });
  assert.equal(lostWorker.code, 'ERR_LOAD');
  assert.match(lostWorker.message, /nowhere\/worker\.js/);
}));

test('cross-origin isolated pages: the threaded build, with the same bytes as one thread', () => on({ headers: isolation }, async (site) => {
  const alone = await start(site, undefined, { threads: 1 });
  assert.deepEqual([alone.where, alone.build, alone.threads, alone.note], ['worker', 'relaxed', 1, undefined]);
  assert.ok(!site.asked.some((path) => path.includes('threads.wasm')));
  const two = await start(site, undefined, { threads: 2 });
  assert.deepEqual([two.where, two.build, two.threads, two.note], ['worker', 'relaxed', 2, undefined]);
  assert.ok(site.asked.includes('/dist/tesserae-relaxed-threads.wasm'));
  assert.deepEqual(two.bytes, alone.bytes);
}));

test('helpers of a worker from another origin, which is a blob', () => on({ headers: { ...isolation, 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' } }, (cdn) => on({ headers: isolation }, async (site) => {
  const { where, threads, works } = await start(site, `${cdn.url}dist/index.js`, { threads: 2 });
  assert.deepEqual([where, threads, works], ['blob-worker', 2, true]);
})));

test('threaded builds lost by a bundler, and pages without isolation: one thread, and why', async () => {
  await on({ headers: isolation, bend: lost(/threads\.wasm$/) }, async (site) => {
    const { build: kind, threads, note } = await start(site, undefined, { threads: 2 });
    assert.deepEqual([kind, threads], ['relaxed', 1]);
    assert.match(note, /relaxed-threads: .*404/);
  });
  await on({}, async (site) => {
    const { build: kind, threads, note } = await start(site, undefined, { threads: 2 });
    assert.deepEqual([kind, threads], ['relaxed', 1]);
    assert.match(note, /not cross-origin isolated/);
  });
});

test('the build that is asked for', () => on({ headers: isolation }, async (site) => {
  for (const [backend, kind, threads] of [['simd', 'simd128', 1], ['relaxed', 'relaxed', 1], ['simd-threads', 'simd128', 2], ['relaxed-threads', 'relaxed', 2]]) {
    const found = await start(site, undefined, { backend, threads: 2 });
    assert.deepEqual([found.build, found.threads, found.works], [kind, threads, true], backend);
  }
  assert.equal((await start(site, undefined, { backend: 'fast' })).code, 'ERR_OPTION');
}));

test('the plain build and the one inside the package write the same bytes', () => on({}, async (site) => {
  const plain = await start(site, undefined, { wasmURL: '/dist/tesserae-simd.wasm' });
  await on({ bend: lost(/worker\.js$|\.wasm$/) }, async (other) => assert.deepEqual((await start(other)).bytes, plain.bytes));
}));

test('a model that is lost is an error that names it, and a later attempt succeeds', () => {
  let gone = true;
  return on({ bend: (path) => (gone && path.startsWith('/models/') ? { status: 503, body: '' } : undefined) }, async (site) => {
    const failed = await start(site);
    assert.equal(failed.code, 'ERR_LOAD');
    assert.match(failed.url, /photo\.safetensors$/);
    gone = false;
    assert.equal((await start(site)).where, 'worker');
  });
});
