// A run that meets everything a page can: batches that are not finite, a worker that dies, one that is ended in the middle
// of a step, a reload. Its checkpoint at the end is that of an undisturbed run, byte for byte.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTrainer, resumeTrainer } from '../../dist/node.js';
import { afresh, again, run } from './crash-run.mjs';

const STEPS = 2000;
const LEG = STEPS / 5; // steps from one checkpoint to the next
const program = fileURLToPath(new URL('crash-run.mjs', import.meta.url));
const workerURL = new URL('faulty-worker.mjs', import.meta.url);
const bytes = async (trainer) => Buffer.from(await trainer.checkpoint());

/** Goes on leg by leg until something ends the worker; returns the last checkpoint and the figures of all steps. */
async function survive(trainer, kept) {
  const figures = [];
  try {
    while (trainer.step < trainer.steps) {
      figures.push(...(await run(trainer, LEG)));
      kept = await trainer.checkpoint();
    }
    assert.fail('nothing ended the worker');
  } catch (error) {
    assert.equal(error.code, 'ERR_WORKER', error.stack);
  }
  return { kept, figures };
}

test('faults, dead workers, an abrupt end and a reload change no bit of a two-phase run', async () => {
  const calm = await createTrainer(afresh(STEPS));
  const figures = await run(calm);
  assert.deepEqual([figures.at(0).phase, figures.at(-1).phase, figures.at(-1).retried], [1, 2, 0]);
  const undisturbed = await bytes(calm);
  await calm.dispose();

  // dies in its second leg, in the first phase
  process.env.BAD_DAY = `fault=4&die=${LEG + 3}`;
  const first = await survive(await createTrainer({ ...afresh(STEPS), workerURL }));
  assert.ok(first.figures.at(-1).retried > 0, 'steps were tried again');
  assert.equal(first.figures.at(-1).skipped, 0);

  // goes on into the second phase, and dies there
  process.env.BAD_DAY = `fault=3&die=${4 * LEG + 2}`;
  const second = await survive(await resumeTrainer(first.kept, { ...again, workerURL }), first.kept);
  assert.equal(second.figures.at(0).step, LEG + 1);
  assert.equal(second.figures.at(-1).phase, 2);
  assert.ok(second.figures.at(-1).retried > 0 && second.figures.at(-1).skipped === 0);

  // ended by force in the middle of a step
  const third = await resumeTrainer(second.kept, again);
  assert.equal(third.step, 4 * LEG);
  const abrupt = async () => {
    for await (const { step } of third.run()) if (step > 4 * LEG) await third.dispose();
  };
  await assert.rejects(abrupt, { name: 'AbortError' });

  // a new program, which knows the checkpoint and the pictures
  const folder = await mkdtemp(path.join(tmpdir(), 'tesserae-'));
  const file = path.join(folder, 'run.ckpt');
  try {
    await writeFile(file, second.kept);
    await promisify(execFile)(process.execPath, [program, file]);
    assert.ok(undisturbed.equals(await readFile(file)), 'the checkpoints differ');
  } finally {
    await rm(folder, { recursive: true });
  }
});
