/* Pictures between two samples: the latents of their tokens mixed, in a few even parts. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { chosen, getGenerator, picked, samples } from './generate.js';
import { report, say } from './notice.js';
import { tab } from './settings.js';

export const PARTS = 8;
/** Ends first, then the middle, then what lies between: a coarse row is there at once. */
const ORDER = [0, 8, 4, 2, 6, 1, 3, 5, 7];

/** The place of the sample that the chosen one is mixed with, or null. */
export const partner = signal(null);
export const other = computed(() => (partner.value === chosen.value ? null : (samples.value[partner.value] ?? null)));
/** Which of the pictures is looked at, 0 (the chosen sample) .. PARTS (the other). */
export const step = signal(PARTS / 2);
/** PARTS + 1 pictures, { image, tokens, seed, done } as samples are; undefined until made. */
export const blends = signal([]);
/** The one that is looked at, or the nearest one that is there. */
export const blend = computed(() => {
  const near = blends.value.map((made, i) => [made, Math.abs(i - step.value)]).filter(([made]) => made);
  return near.sort((a, b) => a[1] - b[1])[0]?.[0] ?? null;
});

let turn = 0;
async function make(from, to) {
  const mine = ++turn;
  blends.value = new Array(PARTS + 1).fill(undefined);
  try {
    const codec = await getGenerator();
    for (const i of ORDER) {
      const tokens = await codec.interpolate(from.tokens, to.tokens, i / PARTS);
      const image = await codec.detokenize(tokens);
      if (mine !== turn) return;
      const seed = `${from.seed}-${to.seed}-${i}`;
      replaced(i, { image, tokens, seed, done: 1 });
    }
    say(`${PARTS + 1} pictures between the two are made.`);
  } catch (error) {
    if (mine === turn) report(error, 'The pictures between could not be made');
  }
}

const replaced = (at, made) => (blends.value = Array.from(blends.peek(), (former, i) => (i === at ? made : former)));

/** Lets the prior put right the blend that is looked at: codes that neither end has at their place are made anew, the likeliest ones. */
export async function settleBlend() {
  const mine = turn, made = blend.peek(), at = blends.peek().indexOf(made);
  const ends = [picked.peek(), other.peek()].map(({ tokens }) => tokens.data);
  const keep = Array.from(made.tokens.data, (code, i) => ends.some((end) => end[i] === code));
  try {
    let last;
    for await (const step of (await getGenerator()).generate({ condition: made.tokens, keep, temperature: 0 })) last = step;
    const image = await last.preview();
    if (mine !== turn) return;
    replaced(at, { ...made, image, tokens: last.tokens, seed: `${made.seed}-settled` });
    say('The prior has settled the blend.');
  } catch (error) {
    if (mine === turn) report(error, 'The blend could not be settled');
  }
}

effect(() => {
  const from = picked.value, to = other.value;
  turn++;
  if (tab.value === 'generate' && from?.done === 1 && to?.done === 1) untracked(() => make(from, to));
  else blends.value = [];
});
