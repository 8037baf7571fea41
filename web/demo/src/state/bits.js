/* Where the bits go: what each token of the open file takes of it, or of the file that the painted tokens would be. */
import { computed, effect, signal } from '@preact/signals';
import { getCodec } from './codec.js';
import { report } from './notice.js';
import { shown } from './session.js';
import { settings, tab } from './settings.js';
import { level, settled } from './tokens.js';

/** null, or a BitGrid with the `bytes` of its file. */
export const bits = signal(null);

/** Bits at each place: of one level, or of all together. */
export const costs = computed(() => {
  const { width, height, levels, data } = bits.value ?? { levels: 0 };
  const area = width * height;
  if (settings.bits.value === 'level' && level.value < levels) return data.subarray(level.value * area, (level.value + 1) * area);
  if (!levels) return null;
  const sum = data.slice(0, area);
  for (let i = area; i < data.length; i++) sum[i % area] += data[i];
  return sum;
});
/** The end of the colour scale: one place in a hundred takes more. */
export const most = computed(() => (costs.value ? Math.max(1, Float32Array.from(costs.value).sort()[Math.floor(0.99 * (costs.value.length - 1))]) : 1));
/** Bits of each level, in all. */
export const totals = computed(() => {
  const { width, height, levels, data } = bits.value ?? { levels: 0 };
  return Array.from({ length: levels }, (_, l) => data.subarray(l * width * height, (l + 1) * width * height).reduce((sum, b) => sum + b, 0));
});

/** Bits at a place: of one level and of all; undefined while they are not known. */
export function bitsAt(cell, index) {
  if (!bits.value || cell < 0) return undefined;
  const { width, height, levels, data } = bits.value;
  let all = 0;
  for (let l = 0; l < levels; l++) all += data[l * width * height + cell];
  return { level: index < levels ? data[index * width * height + cell] : 0, all };
}

let timer;
let turn = 0;
async function look(file, tokens) {
  const mine = ++turn;
  try {
    const codec = await getCodec();
    const bytes = tokens ? await codec.pack(tokens, { predict: file.coder === 'predictor' }) : file.bytes;
    const grid = await codec.bits(bytes);
    if (mine === turn) bits.value = { ...grid, bytes: bytes.length };
  } catch (error) {
    if (mine === turn) report(error, 'The bits could not be counted');
  }
}

effect(() => {
  const file = shown.value, tokens = settled.value;
  clearTimeout(timer);
  if (tab.value !== 'tokens') return;
  if (!tokens) bits.value = null;
  turn++;
  if (file) timer = setTimeout(look, tokens ? 250 : 0, file, tokens);
});
