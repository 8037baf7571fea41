/* What could stand at the token that is held: what the model's prior thinks, or the codes nearest in the codebook. */
import { computed, effect, signal } from '@preact/signals';
import { around, windowAround } from '../lib/window.js';
import { codec, getCodec } from './codec.js';
import { isAbort, report } from './notice.js';
import { tab } from './settings.js';
import { book, calm, focus, held, level, original } from './tokens.js';

const COUNT = 6;

/** null, or { cell, by: 'prior' | 'distance', list: [{ code, probability?, distance?, image? }] }: images follow. Distances are to
 * the file's own code, so that the list stays as it is while its codes are tried. */
export const likely = signal(null);

/** Can the prior say something about this grid? */
export const priorFits = computed(() => {
  const { prior } = codec.value?.model ?? {};
  if (!prior || !calm.value || level.value >= prior.levels) return false;
  return !prior.grid || (prior.grid[0] === calm.value.height && prior.grid[1] === calm.value.width);
});

const place = computed(() => (held.value && tab.value === 'tokens' ? (focus.value?.cell ?? -1) : -1));

/** The token, and those around it, with a code in its place. */
async function neighbourhood(model, grid, cell, index, code, signal) {
  const data = grid.data.slice();
  data[index * grid.width * grid.height + cell] = code;
  const { tokens, region } = windowAround({ ...grid, data }, around([cell], grid.width), model.model, 1);
  return model.detokenize(tokens, { region, signal });
}

async function look(grid, cell, index, signal) {
  try {
    const model = await getCodec();
    const here = original.peek().data[index * grid.width * grid.height + cell], by = priorFits.peek() ? 'prior' : 'distance';
    const list = by === 'prior'
      ? (await model.alternatives(grid, { x: cell % grid.width, y: Math.floor(cell / grid.width), level: index, count: COUNT, signal })).map(({ token, probability }) => ({ code: token, probability }))
      : [{ code: here, distance: 0 }, ...book.peek().nearest(here, COUNT - 1).map(({ index: code, distance }) => ({ code, distance }))];
    signal.throwIfAborted();
    likely.value = { cell, by, list };
    const images = await Promise.all(list.map(({ code }) => neighbourhood(model, grid, cell, index, code, signal)));
    signal.throwIfAborted();
    likely.value = { cell, by, list: list.map((item, i) => ({ ...item, image: images[i] })) };
  } catch (error) {
    if (!isAbort(error)) report(error, 'What is likely here could not be said');
  }
}

let timer;
let stop;
effect(() => {
  const cell = place.value, grid = calm.value, index = level.value;
  clearTimeout(timer);
  stop?.abort();
  if (likely.peek()?.cell !== cell) likely.value = null;
  if (cell < 0 || !grid || index >= grid.levels) return;
  stop = new AbortController();
  timer = setTimeout(look, 150, grid, cell, index, stop.signal);
});
