/* The page's LPIPS against the PyTorch twin's values. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { makeLpips } from '../../web/demo/src/lib/lpips.js';

const open = (name) => {
  const bytes = readFileSync(new URL(`../fixtures/twin/${name}.safetensors`, import.meta.url));
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length));
  return { tensors, body: bytes.subarray(8 + length) };
};

/** Trunk and heads of the fixtures as one file. */
function feature(a, b) {
  const moved = Object.entries(b.tensors).map(([name, t]) => [name, { ...t, data_offsets: t.data_offsets.map((at) => at + a.body.length) }]);
  const header = Buffer.from(JSON.stringify({ ...a.tensors, ...Object.fromEntries(moved) }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return new Uint8Array(Buffer.concat([size, header, a.body, b.body]));
}

const { tensors, body } = open('losses');
const part = (name) => body.subarray(...tensors[name].data_offsets);

function image(name) {
  const [, height, width] = tensors[name].shape, rgb = part(name);
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return { data, width, height };
}

const lpips = makeLpips(feature(open('squeezenet'), open('lpips')));
for (const size of ['33x47', '161x162']) {
  it(`has the twin's value at ${size}`, () => {
    const got = lpips.distance(lpips.features(image(`${size}.x`)), lpips.features(image(`${size}.y`)));
    const want = part(`${size}.lpips`).readFloatLE(0);
    assert.ok(Math.abs(got - want) < 2e-5, `${got}, not ${want}`);
    assert.equal(lpips.distance(lpips.features(image(`${size}.x`)), lpips.features(image(`${size}.x`))), 0);
  });
}

it('reads the bundled net, whose trunk is of halves', () => {
  const whole = makeLpips(new Uint8Array(readFileSync(new URL('../../models/lpips-squeeze.safetensors', import.meta.url))));
  const noise = image('161x162.x');
  const grey = { ...noise, data: new Uint8ClampedArray(noise.data.length).fill(128) };
  const value = whole.distance(whole.features(noise), whole.features(grey));
  assert.ok(value > 0.05 && value < 2, String(value));
});
