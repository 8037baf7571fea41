/* LPIPS by the package: the PyTorch twin's values, in a worker. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { compare } from '../../dist/node.js';
import { scene } from './pictures.mjs';

const read = (path) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const fixture = (name) => read(`tests/fixtures/twin/${name}.safetensors`);
const small = { net: fixture('squeezenet'), heads: fixture('lpips') };

/** The tensors of the fixture of losses. */
const bytes = Buffer.from(fixture('losses'));
const length = Number(bytes.readBigUInt64LE(0));
const tensors = JSON.parse(bytes.subarray(8, 8 + length));
const part = (name) => bytes.subarray(8 + length).subarray(...tensors[name].data_offsets);
const image = (name) => ({ data: new Uint8Array(part(name)), width: tensors[name].shape[2], height: tensors[name].shape[1] });

for (const size of ['33x47', '161x162']) {
  it(`has the twin's value at ${size}`, async () => {
    const [x, y] = [image(`${size}.x`), image(`${size}.y`)], want = part(`${size}.lpips`).readFloatLE(0);
    const { lpips, psnr } = await compare(x, y, { features: small });
    assert.ok(Math.abs(lpips - want) < 2e-5, `${lpips}, not ${want}`);
    assert.equal(psnr, (await compare(x, y)).psnr);
    assert.equal((await compare(x, x, { features: small })).lpips, 0);
  });
}

it('reads the bundled net, one file for trunk and heads; calls that come together do not mix', async () => {
  const both = read('models/lpips-squeeze.safetensors');
  const features = { net: both, heads: new Blob([both]) };
  const a = scene(90, 70), b = scene(90, 70, 3, 7), c = { ...a, data: a.data.map((value) => 255 - value) };
  const [near, far, same] = await Promise.all([b, c, a].map((other) => compare(a, other, { features }).then(({ lpips }) => lpips)));
  assert.ok(same === 0 && near > 0 && far > 2 * near && far < 3, `${same}, ${near}, ${far}`);
  assert.equal((await compare(a, c, { features })).lpips, far);
});

it('is not measured unasked, and says what is wrong', async () => {
  const a = scene(40, 40), tiny = scene(16, 40);
  assert.equal('lpips' in (await compare(a, a)), false);
  await assert.rejects(compare(tiny, tiny, { features: small }), { code: 'ERR_INPUT', message: /17 pixels/ });
  await assert.rejects(compare(a, a, { features: { ...small, net: small.heads } }), { code: 'ERR_MODEL' });
  await assert.rejects(compare(a, a, { features: { net: small.net } }), { code: 'ERR_INPUT' });
  await assert.rejects(compare(a, a, { feature: small }), { code: 'ERR_OPTION' });
  assert.equal((await compare(a, a, { features: small })).lpips, 0); // the worker goes on
});

it('ends when it is told to', async () => {
  const big = scene(1200, 900), stop = new AbortController();
  const measured = compare(big, big, { features: small, signal: stop.signal });
  setTimeout(() => stop.abort(), 20);
  await assert.rejects(measured, { name: 'AbortError' });
});
