// The run of crash.test.mjs: a tiny VQGAN of two phases. As a program it is the page after a reload, with nothing but what
// was stored: node crash-run.mjs CHECKPOINT goes on from that file to the end of the run and puts its last checkpoint there.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { resumeTrainer } from '../../dist/node.js';
import { scene } from './pictures.mjs';

const data = Array.from({ length: 12 }, (_, i) => scene(32, 32, i % 2 ? 3 : 4, i + 1));
const place = { backend: 'simd', threads: 1 };

/** For resumeTrainer: the same pictures, the build that is the same everywhere, one thread. */
export const again = { data, ...place };

/** For createTrainer. @param {number} steps */
export const afresh = (steps) => ({
  ...again,
  steps,
  size: 16,
  batch: 2,
  width: 8,
  codebook: { size: 16, dim: 4 },
  adversarial: { from: Math.round(0.6 * steps), lecam: 0.01, r1: 1, features: 0.5, discriminator: { width: 8 } },
});

/** Steps to the end of the schedule, or `count` further; returns the figures. */
export async function run(trainer, count = trainer.steps - trainer.step) {
  const figures = [];
  for await (const step of trainer.run({ steps: count })) figures.push(step);
  return figures;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2];
  const trainer = await resumeTrainer(await readFile(file), again);
  await run(trainer);
  await writeFile(file, await trainer.checkpoint());
  await trainer.dispose();
}
