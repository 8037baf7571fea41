/* How reconstructions of the held-out pictures changed: one small strip of squares a moment, thinned out as they grow many. */
import { computed, effect, signal } from '@preact/signals';
import { readPixels, writeStrip } from '../lib/pictures.js';

const MOST = 60; // moments; then every second one goes, and half as many come
const SIDE = 64; // pixels, at most

/** [{ step, blob, side }], oldest first. */
export const moments = signal([]);
/** The moment looked back at; null: now. */
export const back = signal(null);
/** { step, images } of the moment looked back at, once it is read; else null. */
export const past = signal(null);
export const lastMoment = computed(() => moments.value.length - 1);

let gap = 0; // steps between two moments
let writing = false;

export function clearMoments(kept = []) {
  moments.value = kept;
  back.value = null;
  gap = kept.length > 1 ? kept.at(-1).step - kept.at(-2).step : 0;
}

/** Forgets what came after a step. */
export const cutMoments = (step) => clearMoments(moments.peek().filter((moment) => moment.step <= step));

/** Keeps the outputs of a preview, if it is time for another moment. */
export async function addMoment(step, outputs) {
  const last = moments.peek().at(-1)?.step ?? -1;
  if (writing || step <= last || step - last < gap || !outputs.length) return;
  writing = true;
  try {
    const side = Math.min(SIDE, ...outputs.map(({ width, height }) => Math.min(width, height)));
    const blob = await writeStrip(outputs, side);
    let list = [...moments.peek(), { step, blob, side }];
    if (list.length > MOST) {
      list = list.filter((_, i) => i % 2 === 0);
      gap = Math.max(gap, list[1].step - list[0].step);
      if (back.peek() !== null) back.value >>= 1;
    }
    moments.value = list;
  } finally {
    writing = false;
  }
}

/** A strip as pictures. */
async function cut({ blob, side }) {
  const strip = await readPixels(blob);
  return Array.from({ length: strip.width / side }, (_, i) => {
    const image = new ImageData(side, side);
    for (let y = 0; y < side; y++) {
      const start = (y * strip.width + i * side) * 4;
      image.data.set(strip.data.subarray(start, start + side * 4), y * side * 4);
    }
    return image;
  });
}

effect(() => {
  const moment = back.value === null ? null : moments.value[back.value];
  if (!moment) {
    past.value = null;
    return;
  }
  if (past.peek()?.step === moment.step) return;
  cut(moment).then((images) => moments.peek()[back.peek()] === moment && (past.value = { step: moment.step, images })).catch(() => {});
});
