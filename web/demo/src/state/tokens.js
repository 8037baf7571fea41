/* What the Tokens tab looks at: the token grid of the open picture, the codebook of one level, and the code in focus. */
import { batch, computed, effect, signal } from '@preact/signals';
import { coloursOf, meanColour } from '../lib/colour.js';
import { codec } from './codec.js';
import { report } from './notice.js';
import { shown } from './session.js';
import { settings, tab } from './settings.js';

/** The TokenGrid of the picture on screen, as the file has it, or null. */
export const original = computed(() => shown.value?.tokens ?? null);
/** The tokens as painted over (state/painting.js), or null; and the same as of the last stroke that is done. */
export const painted = signal(null);
export const settled = signal(null);
/** The TokenGrid on view, or null. */
export const grid = computed(() => painted.value ?? original.value);
/** The same without a stroke that is under way: for what takes longer to show. */
export const calm = computed(() => settled.value ?? original.value);
/** The level on view, within what the model has. */
export const level = computed(() => Math.min(settings.level.value, (codec.value?.codebook.levels ?? 1) - 1));
/** The Codebook of that level, or null. */
export const book = computed(() => (codec.value?.codebook.levels ? codec.value.codebook.level(level.value) : null));
/** This level's codes, [height][width], or null. */
export const codes = computed(() => codesOf(grid.value, level.value));

function codesOf(tokens, index) {
  if (!tokens || index >= tokens.levels) return null;
  const { data, width, height } = tokens;
  return data.subarray(index * width * height, (index + 1) * width * height);
}

function usageOf(list) {
  if (!list) return null;
  const counts = new Uint32Array(book.value.size);
  for (const code of list) counts[code]++;
  let used = 0, bits = 0;
  for (const count of counts) {
    if (!count) continue;
    used++;
    bits -= (count / list.length) * Math.log2(count / list.length);
  }
  return { counts, used, bits, perplexity: 2 ** bits };
}

const originalUsage = computed(() => usageOf(codesOf(original.value, level.value)));
/** { counts, used, perplexity, bits } of this level over the picture, or null. */
export const usage = computed(() => (settled.value ? usageOf(codesOf(settled.value, level.value)) : originalUsage.value));

/** Codes that an atlas shows at most: every patch takes a run of the decoder. Of a larger codebook, the most used. */
const ATLAS_MOST = 2048;
/** All codes, the most used ones first where there is a picture; painting does not move them. */
const byUse = computed(() => {
  const all = Uint16Array.from({ length: book.value?.size ?? 0 }, (_, i) => i);
  const counts = originalUsage.value?.counts;
  return counts ? all.sort((i, j) => counts[j] - counts[i] || i - j) : all;
});
/** Codes in the order of the atlas. */
export const order = computed(() => {
  const most = byUse.value.slice(0, ATLAS_MOST);
  return settings.order.value === 'use' ? most : most.sort();
});

/** Colour of each code by its place in the codebook, 0xAABBGGRR. */
export const placeColours = computed(() => (book.value ? coloursOf(book.value.project()) : new Uint32Array(0)));

/** { cell, code }: the token or code under pointer or focus; cell is -1 when it came from the atlas. null: none. */
export const focus = signal(null);
/** Held by a click or a key: the pointer then passes over the rest without effect. */
export const held = signal(false);

/** Puts a token (a cell of the grid) or a code of the atlas into focus; `hold` keeps it there. */
export function focusOn({ cell = -1, code = codes.value?.[cell] }, hold = false) {
  if (code === undefined || (held.value && !hold)) return;
  batch(() => {
    focus.value = { cell, code };
    held.value = hold;
  });
}

/** What a click does: holds, or lets go of what is held there already. */
export function toggleHold(at) {
  const again = held.value && (at.cell ?? -1) === focus.value?.cell && (at.cell !== undefined || at.code === focus.value.code);
  if (again) held.value = false;
  else focusOn(at, true);
}

/** Nothing in focus; while something is held, only with `force`. */
export function blur(force = false) {
  if (held.peek() && !force) return;
  batch(() => {
    focus.value = null;
    held.value = false;
  });
}

/** Decoded patches by code: { book, list: (ImageData | undefined)[], done }. They come in as they are decoded. */
export const patches = signal({ book: null, list: [], done: 0 });
export const patchColours = computed(() => {
  const colours = new Uint32Array(placeColours.value);
  patches.value.list.forEach((patch, code) => patch && (colours[code] = meanColour(patch)));
  return colours;
});

let stop = null;
const kept = new WeakMap(); // codec -> list per level

/** Decodes every patch of the book, the picture's most used first, a few at a time. */
async function fill(from, ranked) {
  stop?.abort();
  const { signal: aborted } = (stop = new AbortController());
  const levels = kept.get(codec.peek()) ?? [];
  kept.set(codec.peek(), levels);
  const list = (levels[from.index] ??= new Array(from.size));
  const show = () => (patches.value = { book: from, list, done: list.reduce((n, patch) => n + (patch ? 1 : 0), 0) });
  show();
  try {
    const missing = ranked.filter((code) => !list[code]);
    let shownAt = performance.now();
    for (let i = 0; i < missing.length; i += 16) {
      const part = missing.slice(i, i + 16);
      const images = await Promise.all(part.map((code) => from.patch(code, { signal: aborted })));
      part.forEach((code, j) => (list[code] = images[j]));
      if (performance.now() - shownAt < 120 && i + 16 < missing.length) continue;
      show();
      shownAt = performance.now();
    }
  } catch (error) {
    if (!aborted.aborted) report(error, 'The codebook could not be shown');
  }
}

effect(() => {
  const from = book.value;
  if (tab.value !== 'tokens' || !from) return stop?.abort();
  fill(from, Array.from(byUse.value.subarray(0, ATLAS_MOST)));
});
effect(() => {
  level.value;
  original.value;
  blur(true);
});
effect(() => {
  const here = focus.peek(), code = codes.value?.[here?.cell];
  if (code !== undefined && code !== here.code) focus.value = { ...here, code }; // painted over
});
