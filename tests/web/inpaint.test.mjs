// Inpainting through the package as built: what is not masked stays, masks of all kinds, samples, progress, cancelling, errors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCodec } from '../../dist/node.js';
import { asRGBA, scene } from './pictures.mjs';
import { fixture, split } from './safetensors.mjs';

const model = fixture('prior_conv'); // tiny nets of factor 4 with a convolutional prior in the file
/** @type {import('../../web/types').Codec} */
let codec;
before(async () => {
  codec = await createCodec({ model, threads: 1 });
});
after(() => codec?.dispose());

const WIDTH = 120, HEIGHT = 90;
const rgba = (/** @type {number} */ width, /** @type {number} */ height) => ({ ...scene(width, height), data: asRGBA(scene(width, height)), channels: /** @type {const} */ (4) });
const image = rgba(WIDTH, HEIGHT);
const inHole = (/** @type {number} */ i) => {
  const x = i % WIDTH, y = Math.floor(i / WIDTH);
  return x > 50 && x < 78 && y > 30 && y < 50;
};
const mask = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => Number(inHole(i)));

/** Pixels of `made` that differ from `from`, inside the hole and outside. */
function changes(made, from) {
  let inside = 0, outside = 0;
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    const same = [0, 1, 2, 3].every((c) => made.data[4 * i + c] === from.data[4 * i + c]);
    if (!same && inHole(i)) inside++;
    else if (!same) outside++;
  }
  return { inside, outside };
}

test('the model says what it can do', async () => {
  assert.deepEqual(codec.model.tasks, ['compress', 'reconstruct', 'inpaint']);
  assert.deepEqual([codec.model.prior.type, codec.model.prior.levels, codec.model.prior.grid], ['conv', 2, undefined]);
  await assert.rejects(Promise.resolve(codec.generate()), { code: 'ERR_MODEL' });
});

for (const method of ['copy', 'prior', 'auto'])
  test(`${method}: what is not masked stays, samples differ, the same seed gives the same pictures`, async () => {
    const options = { method, samples: 3, seed: 4, steps: 3, temperature: 2 };
    const made = await codec.inpaint(image, mask, options);
    assert.equal(made.length, 3);
    for (const one of made) {
      assert.deepEqual([one.width, one.height], [WIDTH, HEIGHT]);
      const { inside, outside } = changes(one, image);
      assert.equal(outside, 0);
      assert.ok(inside > 300);
    }
    assert.notDeepEqual(made[0].data, made[1].data);
    assert.notDeepEqual(made[1].data, made[2].data);
    assert.deepEqual((await codec.inpaint(image, mask, options)).map((one) => one.data), made.map((one) => one.data));
  });

test('a mask is a list of numbers or truth values, or a picture, white where it is to be filled', async () => {
  const [bytes] = await codec.inpaint(image, mask);
  const picture = { width: WIDTH, height: HEIGHT, data: Uint8ClampedArray.from({ length: WIDTH * HEIGHT * 4 }, (_, i) => (i % 4 === 3 || mask[i >> 2] ? 255 : 20)) };
  for (const other of [Array.from(mask, Boolean), picture]) assert.deepEqual((await codec.inpaint(image, other))[0].data, bytes.data);
});

test('without a mask what is transparent is filled; alpha stays where there is one', async () => {
  const open = { ...image, data: image.data.slice() };
  for (let i = 0; i < WIDTH * HEIGHT; i++) if (inHole(i)) open.data.set([9, 200, 9, 0], 4 * i);
  const [filled] = await codec.inpaint(open);
  assert.deepEqual(filled.data, (await codec.inpaint(image, mask))[0].data);
  const glass = { ...image, data: image.data.map((v, i) => (i % 4 === 3 ? 100 + (i % 50) : v)) };
  const [kept] = await codec.inpaint(glass, mask);
  for (let i = 3; i < kept.data.length; i += 4) assert.equal(kept.data[i], glass.data[i]);
});

test('nothing masked: the picture as it is; all masked: the prior makes it up', async () => {
  const [same] = await codec.inpaint(image, new Uint8Array(WIDTH * HEIGHT));
  assert.deepEqual(same.data, image.data);
  const [whole] = await codec.inpaint(image, new Uint8Array(WIDTH * HEIGHT).fill(1), { steps: 2 });
  assert.notDeepEqual(whole.data, image.data);
  await assert.rejects(codec.inpaint(image, new Uint8Array(WIDTH * HEIGHT).fill(1), { method: 'copy' }), { code: 'ERR_INPUT', message: /Too little/ });
});

test('the prior may be a part, and is asked for only when it is needed', async () => {
  const { model: bare, part } = split(model, 'prior', codec.model.hash);
  const other = await createCodec({ model: bare, threads: 1 });
  assert.deepEqual((await other.inpaint(image, mask))[0].data, (await codec.inpaint(image, mask))[0].data);
  await assert.rejects(other.inpaint(image, mask, { method: 'prior' }), { code: 'ERR_MODEL', message: /has no prior/ });
  const options = /** @type {const} */ ({ method: 'prior', steps: 2 });
  assert.deepEqual((await other.inpaint(image, mask, { ...options, part }))[0].data, (await codec.inpaint(image, mask, options))[0].data);
  await other.dispose();
});

test('progress rises to the end; a signal ends the call, and the next one works', async () => {
  const heard = [];
  await codec.inpaint(image, mask, { samples: 2, onProgress: (p) => heard.push(p) });
  assert.ok(heard.every(({ status, stage, total }) => status === 'work' && stage === 'inpaint' && total === 2));
  assert.ok(heard.every(({ done }, i) => !i || done >= heard[i - 1].done));
  assert.equal(heard.at(-1).done, 2);
  const reason = new Error('enough');
  await assert.rejects(codec.inpaint(image, mask, { signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const asked = codec.inpaint(rgba(600, 500), new Uint8Array(600 * 500).fill(1), { method: 'prior', signal: stop.signal, onProgress: () => stop.abort(reason) });
  await assert.rejects(asked, reason);
  assert.equal((await codec.inpaint(image, mask)).length, 1);
});

test('on the calling thread too, with the same pixels', async () => {
  const here = await createCodec({ model, workers: 0 });
  assert.deepEqual((await here.inpaint(image, mask))[0].data, (await codec.inpaint(image, mask))[0].data);
  await here.dispose();
});

test('a transformer fills pictures of its own size', async () => {
  const small = await createCodec({ model: fixture('prior_text'), threads: 1 });
  const half = Uint8Array.from({ length: 256 }, (_, i) => Number(i < 128));
  const [made] = await small.inpaint(rgba(16, 16), half);
  assert.deepEqual(made.data.subarray(512), rgba(16, 16).data.subarray(512));
  await assert.rejects(small.inpaint(image, mask), { code: 'ERR_INPUT', message: /16 x 16 pixels, not 120 x 90/ });
  assert.equal((await small.inpaint(image, mask, { method: 'copy' })).length, 1);
  await small.dispose();
});

test('refuses what it cannot do, and says why', async () => {
  const refused = [
    [scene(WIDTH, HEIGHT), undefined, {}, 'ERR_INPUT', /opaque and there is no mask/],
    [image, mask.subarray(1), {}, 'ERR_INPUT', /one for each of the 120x90/],
    [image, { width: 9, height: 9, data: new Uint8Array(324) }, {}, 'ERR_INPUT', /must be of one size/],
    [image, mask, { samples: 0 }, 'ERR_OPTION', /from 1 to 1000/],
    [image, mask, { method: 'magic' }, 'ERR_OPTION', /"auto", "copy" or "prior"/],
    [image, mask, { feather: -1 }, 'ERR_OPTION', /feather/],
    [image, mask, { seed: 0.5 }, 'ERR_OPTION', /seed/],
    [image, mask, { guidance: 1 }, 'ERR_OPTION', /no option "guidance"/],
  ];
  for (const [picture, where, options, code, message] of refused)
    await assert.rejects(codec.inpaint(picture, where, options), { code, message }, String(message));
});
