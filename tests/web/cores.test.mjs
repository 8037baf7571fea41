// The two cores: what each exports, and which of them a call takes.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { compare, createCodec, createTrainer, resumeTrainer } from '../../dist/node.js';
import { BUILDS, hasRelaxed } from '../../web/wasm.js';
import { scene } from './pictures.mjs';

const root = new URL('../../', import.meta.url);
const compiled = async (name) => WebAssembly.compile(await readFile(new URL(`dist/tesserae-${name}.wasm`, root)));
const header = (await readFile(new URL('include/tesserae.h', root), 'utf8')).replace(/\/\*.*?\*\//gs, '');
const declared = [...new Set(header.match(/tess_[a-z_0-9]+(?=\()/g))].sort();
const trains = /^tess_(trainer|lpips|sampler|upscaler|model_add)(_|$)/;

for (const build of BUILDS.filter((name) => hasRelaxed() || !name.startsWith('relaxed'))) {
  test(`${build}: the studio core exports every public function, the codec core those without training`, async () => {
    const functions = async (name) => WebAssembly.Module.exports(await compiled(name)).map((item) => item.name).filter((name) => name.startsWith('tess_')).sort();
    assert.deepEqual(await functions(`studio-${build}`), declared);
    const codec = await functions(build);
    assert.deepEqual(codec.filter((name) => trains.test(name)), []);
    for (const noun of ['model', 'encoder', 'decoder']) {
      const all = (names) => names.filter((name) => name.startsWith(`tess_${noun}_`));
      assert.deepEqual(all(codec), all(declared).filter((name) => !trains.test(name)));
    }
  });
}

const data = [scene(32, 32)];
const small = { data, batch: 1, steps: 1, width: 16, codebook: { size: 16, dim: 4 } };
const net = new Uint8Array(await readFile(new URL('models/lpips-squeeze.safetensors', root)));
const features = { net, heads: net };
const cure = { code: 'ERR_LOAD', message: /tesserae-studio-\*\.wasm/ };

test('a codec core given to a trainer is an error that names the cure', async () => {
  await assert.rejects(createTrainer({ ...small, wasmURL: new URL('dist/tesserae-simd.wasm', root) }), { ...cure, url: /tesserae-simd\.wasm$/ });
  await assert.rejects(createTrainer({ ...small, wasmModule: await compiled('simd') }), cure);
  await assert.rejects(resumeTrainer(new Uint8Array(8), { data, wasmModule: await compiled('simd') }), cure);
});

test('a studio core that is given does everything, with the same bytes', async () => {
  const image = scene(70, 50), files = [];
  for (const name of ['simd', 'studio-simd']) {
    const codec = await createCodec({ wasmModule: await compiled(name) });
    files.push((await codec.encode(image)).bytes);
    await codec.dispose();
  }
  assert.deepEqual(files[0], files[1]);
  const trainer = await createTrainer({ ...small, wasmURL: new URL('dist/tesserae-studio-simd.wasm', root) });
  for await (const { step } of trainer.run()) assert.equal(step, 1);
  await trainer.dispose();
});

test('LPIPS takes the studio core, where the last codec was told to look; plain measures take the codec core', async () => {
  const a = scene(40, 40), b = scene(40, 40, 3, 7);
  const codec = await createCodec({ wasmModule: await compiled('simd') });
  await codec.dispose();
  assert.ok((await compare(a, b)).psnr > 0);
  await assert.rejects(compare(a, b, { features }), cure);
  const other = await createCodec({ wasmModule: await compiled('studio-simd') });
  await other.dispose();
  assert.ok((await compare(a, b, { features })).lpips > 0); // the failed start was not kept
});
