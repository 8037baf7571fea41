/* What the net makes of the held-out pictures, and of its codes. */
import { batch, computed, signal } from '@preact/signals';
import { codePatches } from '../lib/code-patches.js';
import { breathe } from '../lib/pause.js';
import { trainer } from './run.js';
import { addMoment } from './timeline.js';

const LOOKS = 16; // held-out pictures

/** [{ input, output, tokens }] of the held-out pictures. */
export const looks = signal([]);
/** How often each code was used over the rolling window, or null. */
export const codeCounts = signal(null);
/** What each code looks like now, by code; undefined where it was not seen. */
export const patches = computed(() => codePatches(looks.value));

/** Fetches reconstructions and code counts; returns how long that took, ms. What becomes of a trainer that was reset meanwhile is nobody's business. */
export async function look(from) {
  const start = performance.now();
  const found = await Promise.all([from.preview(LOOKS), from.usage(0)]).catch((error) => {
    if (trainer.peek() === from) throw error;
  });
  const took = performance.now() - start;
  if (trainer.peek() !== from) return took;
  const [pairs, counts] = found;
  batch(() => {
    looks.value = pairs;
    codeCounts.value = counts;
  });
  await breathe(); // drawing them was a task of its own
  await addMoment(from.step, pairs.map(({ output }) => output));
  return took;
}

export function clearLooks() {
  looks.value = [];
  codeCounts.value = null;
}
