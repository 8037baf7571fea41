// Pictures that a prior makes up, through the package as built: steps, seeds, kept tokens, cancelling, errors.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createCodec, loadModel, tokenGrid } from '../../dist/node.js';
import { Core } from '../../web/core.js';
import { sample } from '../../web/sampler-core.js';
import { priorModel } from './prior.mjs';

const vocabulary = ['red hair', 'hat'];
/** @type {import('../../web/types').Codec} */
let codec;
before(async () => {
  codec = await createCodec({ model: priorModel('prior_text', (config) => (config.prior.vocabulary = vocabulary)), threads: 1 });
});
after(() => codec?.dispose());

/** All steps of a generation. */
async function stepsOf(options, from = codec) {
  const steps = [];
  for await (const step of from.generate(options)) steps.push(step);
  return steps;
}
const tokensOf = async (options) => (await stepsOf(options)).at(-1).tokens.data;

test('the model says what it can make up', async () => {
  assert.deepEqual(codec.model.tasks, ['compress', 'reconstruct', 'generate', 'inpaint']);
  const { params, ...prior } = codec.model.prior;
  assert.deepEqual(prior, { type: 'transformer', levels: 1, grid: [4, 4], text: true, classes: 0, vocabulary });
  assert.ok(params > 1000);
  const { info } = await loadModel(priorModel('prior_class'));
  assert.deepEqual([info.prior.grid, info.prior.text, info.prior.classes, info.prior.vocabulary], [[3, 5], false, 3, undefined]);
});

test('every step settles more, and what is settled stays', async () => {
  const heard = [];
  const steps = await stepsOf({ prompt: 'red hat', count: 2, steps: 5, seed: 7, guidance: 1, onProgress: (p) => heard.push(p) });
  assert.deepEqual(steps.map(({ index, done, total }) => [index, done, total]), [0, 1].flatMap((index) => [1, 2, 3, 4, 5].map((done) => [index, done, 5])));
  for (const [i, { tokens, known, done }] of steps.entries()) {
    assert.deepEqual([tokens.width, tokens.height, tokens.levels, tokens.size, tokens.pixelWidth, tokens.pixelHeight], [4, 4, 1, 32, 16, 16]);
    assert.equal(known.length, 16);
    const next = steps[i + 1];
    if (done === 5) assert.ok(known.every((k) => k === 1));
    else known.forEach((k, p) => k && assert.deepEqual([next.known[p], next.tokens.data[p]], [1, tokens.data[p]]));
  }
  assert.notDeepEqual(steps[4].tokens.data, steps[9].tokens.data);
  assert.deepEqual(steps[9].tokens.data, await tokensOf({ prompt: 'red hat', steps: 5, seed: 8, guidance: 1 }), 'the second picture has the next seed');
  assert.ok(heard.every(({ status, stage, total }) => status === 'work' && stage === 'sample' && total === 2));
  assert.equal(heard.at(-1).done, 2);
  assert.ok(heard.every(({ done }, i) => !i || done > heard[i - 1].done));
});

test('awaited, it gives the pictures that the last tokens paint', async () => {
  const job = codec.generate({ count: 3, seed: 3 });
  const images = await job;
  assert.deepEqual(images.map(({ width, height }) => [width, height]), [[16, 16], [16, 16], [16, 16]]);
  const last = [];
  for await (const step of job) if (step.done === step.total) last.push(step); // the same run, told once more
  for (const [i, step] of last.entries()) {
    assert.deepEqual((await codec.detokenize(step.tokens)).data, images[i].data);
    assert.deepEqual((await step.preview()).data, images[i].data);
  }
});

test('seed, prompt, guidance, temperature and order matter; the same ones give the same tokens', async () => {
  const base = { prompt: 'red hat', guidance: 4, seed: 1, steps: 6 };
  const first = await tokensOf(base);
  assert.deepEqual(await tokensOf(base), first);
  for (const change of [{ seed: 2 }, { prompt: 'x' }, { guidance: 0 }, { temperature: 3 }, { order: 'halton' }, { topK: 1 }, { topP: 0.05 }, { steps: 16 }])
    assert.notDeepEqual(await tokensOf({ ...base, ...change }), first, JSON.stringify(change));
  assert.deepEqual(await tokensOf({ ...base, topK: 1 }), await tokensOf({ ...base, temperature: 0 }), 'the likeliest code, either way');
});

test('more steps than tokens to make up are not taken', async () => {
  const steps = await stepsOf({ steps: 100 });
  assert.deepEqual([steps.length, steps[0].total], [16, 16]);
});

test('kept tokens stay, the others are made up', async () => {
  const condition = tokenGrid({ width: 4, height: 4, size: 32, data: Array.from({ length: 16 }, (_, i) => i) });
  const keep = Array.from({ length: 16 }, (_, i) => i % 3 === 0);
  const steps = await stepsOf({ condition, keep, steps: 4, temperature: 2 });
  for (const { tokens, known } of steps) keep.forEach((kept, i) => kept && assert.deepEqual([tokens.data[i], known[i]], [i, 1]));
  assert.ok(steps.at(-1).tokens.data.some((token, i) => token !== i));
  const [whole] = await stepsOf({ condition, keep: new Uint8Array(16).fill(1) });
  assert.deepEqual([whole.done, whole.total, [...whole.tokens.data]], [1, 1, [...condition.data]]);
});

test('it starts when it is asked, and ends with the loop or the signal', async () => {
  assert.ok(codec.generate({ steps: 'many' }), 'nothing happens before it is asked');
  const job = codec.generate({ count: 1000, steps: 16 });
  for await (const { index } of job) if (index === 2) break;
  await assert.rejects(async () => job, { name: 'AbortError' });
  const stop = new AbortController();
  const reason = new Error('enough');
  const seen = [];
  await assert.rejects(async () => {
    for await (const step of codec.generate({ count: 1000, steps: 16, signal: stop.signal })) {
      seen.push(step);
      if (step.index === 1) stop.abort(reason);
    }
  }, reason);
  assert.ok(seen.length < 5000, `${seen.length} steps`);
  await assert.rejects(async () => codec.generate({ signal: AbortSignal.abort(reason) }), reason);
  assert.equal((await codec.generate()).length, 1, 'and the next one works');
});

describe('errors say what to do', () => {
  const condition = { width: 4, height: 4, size: 32, data: new Uint16Array(16) };
  const keep = new Uint8Array(16);
  for (const [what, options, code, said] of [
    ['a misspelt option', { promt: 'x' }, 'ERR_OPTION', /"promt".*prompt/],
    ['a prompt of another type', { prompt: 5 }, 'ERR_OPTION', /prompt is 5; it must be a string/],
    ['an order that is none', { order: 'raster' }, 'ERR_OPTION', /halton.*confidence/],
    ['no pictures', { count: 0 }, 'ERR_OPTION', /from 1 to/],
    ['too many steps', { steps: 300 }, 'ERR_OPTION', /from 1 to 256/],
    ['a temperature that is no number', { temperature: NaN }, 'ERR_OPTION', /temperature/],
    ['a seed below 0', { seed: -1 }, 'ERR_OPTION', /seed/],
    ['a label without classes', { label: 1 }, 'ERR_OPTION', /knows no classes.*prompt/],
    ['tokens without a mask', { condition }, 'ERR_OPTION', /go together/],
    ['a mask without tokens', { keep }, 'ERR_OPTION', /go together/],
    ['a short mask', { condition, keep: [1] }, 'ERR_INPUT', /16 tokens/],
    ["a grid that is not the prior's", { condition: { ...condition, width: 2, height: 8 }, keep }, 'ERR_INPUT', /1 x 4 x 4 of 32.*16x16 pixels/],
    ['tokens of another codebook', { condition: { ...condition, size: 64 }, keep }, 'ERR_INPUT', /of 32/],
    ['tokens out of range', { condition: { ...condition, data: new Uint16Array(16).fill(40) }, keep }, 'ERR_INPUT', /below 32/],
  ])
    test(what, () => assert.rejects(async () => codec.generate(options), { code, message: said }));

  test('a model without a prior', async () => {
    const plain = await createCodec({ model: 'photo', threads: 1 });
    await assert.rejects(async () => plain.generate(), { code: 'ERR_MODEL', message: /no prior.*avatars/ });
    await plain.dispose();
  });

  test('classes: in range, and no words', async () => {
    const classes = await createCodec({ model: priorModel('prior_class'), threads: 1 });
    await assert.rejects(async () => classes.generate({ label: 3 }), { code: 'ERR_OPTION', message: /from 0 to 2/ });
    await assert.rejects(async () => classes.generate({ prompt: 'hat' }), { code: 'ERR_OPTION', message: /label from 0 to 2/ });
    const [a, b] = await Promise.all([0, 2].map(async (label) => (await stepsOf({ label, guidance: 3 }, classes)).at(-1).tokens));
    assert.deepEqual([a.width, a.height, a.pixelWidth, a.pixelHeight], [5, 3, 20, 12]);
    assert.notDeepEqual(a.data, b.data);
    await classes.dispose();
    await assert.rejects(async () => classes.generate({ label: 0 }), { code: 'ERR_DISPOSED' });
  });
});

test('the digits that ship: a model of at most 2 MB; ones have less ink than zeros', async () => {
  const digits = await createCodec({ model: 'digits', threads: 1 });
  const { prior, bytes, factor, name } = digits.model;
  assert.deepEqual([name, prior.text, prior.classes, prior.grid.map((side) => side * factor)], ['digits', false, 10, [28, 28]]);
  assert.ok(bytes <= 2e6, `${bytes} bytes`);
  const ink = async (label) => {
    const pictures = await digits.generate({ label, count: 8, steps: 8, guidance: 1 });
    return pictures.reduce((sum, { data }) => sum + data.reduce((a, v, i) => a + (i % 4 < 3 ? v : 0), 0), 0);
  };
  assert.ok((await ink(1)) < 0.7 * (await ink(0)));
  await digits.dispose();
});

test('the emoji that ship: a model of at most 12 MB that knows the words it suggests, and more; hearts are of their colour', async () => {
  const emoji = await createCodec({ model: 'emoji', threads: 1 });
  const { prior, bytes, factor, name } = emoji.model;
  assert.deepEqual([name, prior.text, prior.classes, prior.grid.map((side) => side * factor)], ['emoji', true, 0, [64, 64]]);
  assert.ok(bytes <= 12e6, `${bytes} bytes`);
  assert.ok(prior.vocabulary.includes('red heart') && prior.vocabulary.includes('watermelon') && !prior.vocabulary.includes('zeppelin'));
  const colour = async (prompt) => {
    const pictures = await emoji.generate({ prompt, count: 2, steps: 8 });
    return [0, 1, 2].map((channel) => pictures.reduce((sum, { data }) => sum + data.reduce((a, v, i) => a + (i % 4 === channel ? v : 0), 0), 0));
  };
  const [red, green] = [await colour('red heart'), await colour('green heart')];
  assert.ok(red[0] > 1.2 * red[1], `red ${red}`);
  assert.ok(green[1] > 1.1 * green[0], `green ${green}`);
  await emoji.dispose();
});

test('on the calling thread too, with the same tokens', async () => {
  const here = await createCodec({ model: priorModel('prior_text'), workers: 0 });
  assert.deepEqual((await stepsOf({ prompt: 'hat', seed: 5 }, here)).at(-1).tokens.data, await tokensOf({ prompt: 'hat', seed: 5 }));
  await here.dispose();
});

test('samplings that end, are left or fail leave the memory as it was', async () => {
  const core = await Core.create(await WebAssembly.compile(await readFile(new URL('../../dist/tesserae-studio-simd.wasm', import.meta.url))));
  core.load(priorModel('prior_text'));
  const grid = { width: 4, height: 4, pixelWidth: 16, pixelHeight: 16 };
  const args = { count: 2, seed: 1, prompt: 'a hat', grid, options: { steps: 4, guidance: 1, class: -1 } };
  let size = 0;
  for (let i = 0; i < 50; i++) {
    assert.equal([...sample(core, args)].length, 8);
    const left = sample(core, args);
    left.next();
    left.return();
    assert.throws(() => [...sample(core, { ...args, grid: { ...grid, width: 5 } })], { code: 'ERR_INPUT', message: /4 x 4/ });
    if (i === 2) size = core.heap.byteLength;
  }
  core.load(priorModel('prior_plain')); // the sampler goes with its model
  assert.equal(core.heap.byteLength, size);
});
