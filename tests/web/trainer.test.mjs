// The trainer of the package as built, on pictures made here.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCodec, createTrainer, resumeTrainer } from '../../dist/node.js';
import { scene } from './pictures.mjs';

const data = Array.from({ length: 12 }, (_, i) => scene(32, 32, i % 2 ? 3 : 4, i + 1));
const options = { data, size: 16, batch: 4, steps: 60, width: 16, codebook: { size: 32, dim: 4 }, seed: 3 };
const all = async (iterable) => {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
};

/** @type {import('../../web/types').Trainer} */
let trained;
before(async () => {
  trained = await createTrainer(options);
});
after(() => trained.dispose());

test('a run tells of its steps and learns', async () => {
  const events = [];
  trained.addEventListener('step', (e) => events.push(e.detail.step));
  assert.deepEqual([trained.state, trained.step, trained.steps], ['idle', 0, 60]);
  const steps = await all(trained.run({ every: 5 }));
  assert.deepEqual(steps.map((s) => s.step), [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
  assert.deepEqual(events, steps.map((s) => s.step));
  assert.deepEqual([trained.state, trained.step], ['done', 60]);
  assert.ok(steps.at(-1).loss.reconstruction < 0.7 * steps[0].loss.reconstruction, `${steps[0].loss.reconstruction} to ${steps.at(-1).loss.reconstruction}`);
  for (const s of steps) assert.ok([s.loss.total, s.perplexity, s.used, s.lr, s.msPerStep, s.etaMs, s.psnr].every(Number.isFinite), JSON.stringify(s));
  assert.equal(steps.at(-1).etaMs, 0);
});

test('previews are pictures, before and after, with tokens', async () => {
  const previews = await trained.preview(3);
  assert.equal(previews.length, 3);
  for (const { input, output, tokens } of previews) {
    assert.deepEqual([input.width, input.height], [output.width, output.height]);
    assert.equal(tokens.size, 32);
    assert.equal(tokens.data.length, tokens.width * tokens.height * tokens.levels);
  }
  assert.equal((await trained.usage()).length, 32);
});

test('the model works in a codec at once', async () => {
  const model = await trained.model();
  assert.equal(model.info.codebook.size, 32);
  const codec = await createCodec({ model });
  try {
    const { bytes } = await codec.encode(data[1]);
    const back = await codec.decode(bytes);
    assert.deepEqual([back.width, back.height], [32, 32]);
    const photo = await createCodec();
    await assert.rejects(photo.decode(bytes), { code: 'ERR_MODEL' });
    await photo.dispose();
  } finally {
    await codec.dispose();
  }
});

test('a checkpoint goes on bit for bit', async () => {
  const straight = await createTrainer({ ...options, steps: 20 });
  const first = await createTrainer({ ...options, steps: 20 });
  await all(straight.run({ steps: 20 }));
  await all(first.run({ steps: 9 }));
  assert.equal(first.state, 'idle');
  const checkpoint = await first.checkpoint();
  await first.dispose();
  const second = await resumeTrainer(checkpoint, { data });
  assert.deepEqual([second.step, second.steps], [9, 20]);
  await all(second.run());
  assert.deepEqual(await second.checkpoint(), await straight.checkpoint());
  await Promise.all([straight.dispose(), second.dispose()]);
});

test('pause holds the loop, resume goes on, leaving it stops', async () => {
  const trainer = await createTrainer({ ...options, steps: 1000 });
  let resumed = false;
  let held = -1;
  for await (const { step } of trainer.run()) {
    if (step === 5) {
      await trainer.pause();
      assert.equal(trainer.state, 'paused');
      held = trainer.step;
      setTimeout(() => {
        assert.equal(trainer.step, held, 'nothing moves while it is paused');
        resumed = true;
        trainer.resume();
      }, 80);
    }
    if (step > held && held >= 0) {
      assert.ok(resumed, 'no step beyond the pause before the resume');
      break;
    }
  }
  assert.equal(trainer.state, 'idle');
  assert.ok(trainer.step < 1000);
  const at = trainer.step;
  assert.equal((await all(trainer.run({ steps: 3 }))).at(-1).step, at + 3);
  await trainer.dispose();
});

test('rates: by number, by function, changed on the way', async () => {
  const trainer = await createTrainer({ ...options, lr: (step) => 1e-3 / (step + 1) });
  const rates = (await all(trainer.run({ steps: 4 }))).map((s) => s.lr);
  rates.forEach((lr, i) => assert.ok(Math.abs(lr - 1e-3 / (i + 1)) < 1e-8, `step ${i}: ${lr}`));
  trainer.set({ lr: 2e-4 });
  assert.ok(Math.abs((await all(trainer.run({ steps: 1 })))[0].lr - 2e-4) < 1e-8);
  await trainer.dispose();
});

test('abort ends a run with its reason, and the trainer stays usable', async () => {
  const trainer = await createTrainer({ ...options, steps: 1000 });
  const control = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => control.abort(reason), 100);
  await assert.rejects(all(trainer.run({ signal: control.signal })), reason);
  assert.equal(trainer.state, 'idle');
  assert.equal((await all(trainer.run({ steps: 2 }))).length, 2);
  const pausing = trainer.run();
  await pausing.next();
  await trainer.pause();
  const control2 = new AbortController();
  await assert.rejects(all(trainer.run({ signal: control2.signal })), { code: 'ERR_STATE' });
  await pausing.return();
  await trainer.dispose();
});

test('dispose in the middle of a run rejects it', async () => {
  const trainer = await createTrainer({ ...options, steps: 1000 });
  const run = all(trainer.run());
  setTimeout(() => trainer.dispose(), 50);
  await assert.rejects(run, { name: 'AbortError' });
  await assert.rejects(trainer.checkpoint(), { name: 'AbortError' });
});

test('a model without a codebook has a reconstruction, and zeros for the figures of codes', async () => {
  const conv = (out) => ({ op: 'conv', out, kernel: 3 });
  const config = { format: 1, name: 'plain', range: [-1, 1], quantizer: { type: 'none', dim: 4 },
    encoder: [{ op: 'unshuffle', factor: 4 }, conv(4)], decoder: [conv(48), { op: 'shuffle', factor: 4 }] };
  const trainer = await createTrainer({ data, size: 16, batch: 4, steps: 3, config });
  const { loss, psnr, ...rest } = (await all(trainer.run())).at(-1);
  assert.deepEqual([loss.reconstruction, Number.isFinite(psnr)], [loss.total, true]);
  for (const name of ['bpp', 'perplexity', 'used', 'dead']) assert.equal(rest[name], 0, name);
  await trainer.dispose();
});

test('an adversary comes in two phases, and can be changed on the way', async () => {
  const adversarial = { lecam: 0.01, features: 1, discriminator: { width: 8 } };
  const trainer = await createTrainer({ ...options, steps: 20, loss: { entropy: 0.01, adversarial: 0.2 }, adversarial });
  const errors = [];
  trainer.addEventListener('error', ({ error }) => errors.push(error));
  const steps = await all(trainer.run({ steps: 16 }));
  assert.deepEqual(steps.map((s) => s.phase), Array.from({ length: 16 }, (_, i) => (i < 14 ? 1 : 2)));
  assert.deepEqual([steps[13].gan, steps[13].loss.generator, steps[13].loss.discriminator], [undefined, undefined, undefined]);
  const { loss, gan } = steps[14];
  const adversary = 0.2 * gan.weight * (loss.generator + loss.features);
  assert.ok(Math.abs(loss.total - loss.reconstruction - adversary) < 1e-4 * (1 + Math.abs(adversary)), JSON.stringify(steps[14]));
  assert.ok([loss.discriminator, gan.real, gan.fake, gan.accuracy].every(Number.isFinite) && gan.gradNorm > 0, JSON.stringify(gan));
  assert.deepEqual(errors, []);
  assert.throws(() => trainer.set({ adversarial: { from: 3 } }), { code: 'ERR_OPTION', message: /"from"/ });
  trainer.set({ adversarial: { weight: 0, lr: 0, gate: 0 } });
  const rest = (await all(trainer.run())).at(-1);
  assert.ok(rest.loss.total === rest.loss.reconstruction && rest.gan.gradNorm === 0, JSON.stringify(rest));
  trainer.restartCodes();
  await trainer.usage(); // answered after it
  assert.match(errors[0]?.message ?? '', /stand still/);
  await trainer.dispose();
});

test('an adversary by one word fits the crops; a config keeps its own, or loses it', async () => {
  const of = async (more) => {
    const trainer = await createTrainer({ ...options, ...more });
    const file = Buffer.from(await trainer.checkpoint());
    await trainer.dispose();
    return JSON.parse(JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString()).__metadata__.tesserae);
  };
  const made = await of({ adversarial: true });
  assert.deepEqual(made.train.adversarial, { from: 42, freeze: true, discriminator: { layers: 2, width: 12, groups: 4 } });
  made.train.adversarial.ramp = 5;
  const again = await of({ config: made, adversarial: { freeze: false } });
  assert.deepEqual(again.train.adversarial, { from: 42, ramp: 5, freeze: false, discriminator: { layers: 2, width: 12, groups: 4 } });
  assert.equal((await of({ config: made, adversarial: false })).train.adversarial, undefined);
  for (const wrong of [{ balance: 'both' }, { weights: 1 }, { discriminator: { width: 10 } }, { discriminator: { layers: 4 } }])
    await assert.rejects(of({ adversarial: wrong }), { code: 'ERR_INPUT', message: /adversarial|discriminator/ });
  await assert.rejects(of({ loss: { features: 1 } }), { code: 'ERR_OPTION', message: /adversary/ });
});

test('bad input is an error that says what to do', async () => {
  await assert.rejects(createTrainer({ ...options, data: [] }), { code: 'ERR_INPUT' });
  await assert.rejects(createTrainer({ ...options, data: undefined }), { code: 'ERR_INPUT' });
  await assert.rejects(createTrainer(), { code: 'ERR_INPUT', message: /data must hold pictures/ });
  await assert.rejects(createTrainer({ ...options, steps: '9' }), { code: 'ERR_OPTION', message: /steps is "9"; it must be a number/ });
  await assert.rejects(createTrainer({ ...options, data: [data[0], { width: 3 }] }), { code: 'ERR_INPUT', message: /Picture 1 of data/ });
  await assert.rejects(createTrainer({ ...options, size: 15 }), { code: 'ERR_INPUT', message: /factor/ });
  await assert.rejects(createTrainer({ ...options, lr: -1 }), { code: 'ERR_INPUT', message: /lr/ });
  await assert.rejects(createTrainer({ ...options, learningRate: 1 }), { code: 'ERR_OPTION' });
  await assert.rejects(createTrainer({ ...options, config: { format: 1 } }), { code: 'ERR_INPUT' });
  await assert.rejects(resumeTrainer(new Uint8Array(40), { data }), (error) => /ERR_(FORMAT|MODEL|INPUT)/.test(error.code));
  await assert.rejects(createTrainer({ ...options, signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
  await assert.rejects(all(trained.run({ every: 0 })), { code: 'ERR_OPTION' });
});
