/* The picture of the Inpaint tab and the mask over it, with the steps that led there: a stroke, a rectangle, a larger canvas, a
 * sample that was kept. All are undone in the same way. */
import { computed, signal } from '@preact/signals';
import { Bitmask } from '../lib/bitmask.js';
import { back, begin, forward, go } from '../lib/history.js';
import { extended } from '../lib/pixels.js';
import { notify, say } from './notice.js';
import { rangeOf, settings } from './settings.js';

const MOST_STEPS = 100, MOST_BYTES = 400e6, MOST_PIXELS = 2 ** 26;

/** null, or a History of { picture, words, what }: the mask's words, and what the step was, as a noun. */
const history = signal(null);
/** null, or { name, pixels }; another object whenever the pixels are others. */
export const picture = computed(() => history.value?.now.picture ?? null);
/** The Bitmask over it: 1 is to be filled. Drawn on in place; `commit` then makes a step of it, `revert` takes it back. */
export const mask = computed(() => history.value && new Bitmask(picture.value.pixels.width, picture.value.pixels.height, history.value.now.words));
/** Which part of the picture is masked, 0..1. */
export const share = computed(() => (mask.value ? mask.value.count() / (mask.value.width * mask.value.height) : 0));
export const undoable = computed(() => history.value?.past.length > 0);
export const redoable = computed(() => history.value?.future.length > 0);
/** Across the brush, in pixels of the picture: the setting is a percentage of its longer side. */
export const diameter = computed(() => (picture.value ? Math.max(1, (settings.brush.value / 100) * Math.max(picture.value.pixels.width, picture.value.pixels.height)) : 0));

function fits(steps) {
  const pictures = new Set(steps.map(({ picture: { pixels } }) => pixels));
  const bytes = [...pictures].reduce((sum, pixels) => sum + pixels.data.byteLength, 0) + steps.reduce((sum, { words }) => sum + words.byteLength, 0);
  return steps.length <= MOST_STEPS && bytes <= MOST_BYTES;
}

const blank = ({ width, height }) => new Bitmask(width, height).words;

/** Starts over with a picture, and with a mask or none; null: without a picture. */
export function edit(next, words = next && blank(next.pixels)) {
  history.value = next && begin({ picture: next, words, what: '' });
}

/** Goes on with a picture, and with a mask or none. */
export function proceed(what, next, words = blank(next.pixels)) {
  history.value = go(history.peek(), { picture: next, words, what }, fits);
}

/** Makes a step of what was drawn on the mask. */
export function commit(what) {
  proceed(what, picture.peek(), mask.peek().words);
}

/** Takes back what was drawn since the last step. */
export function revert() {
  history.value = { ...history.peek() };
}

export function undo() {
  if (!undoable.peek()) return;
  say(`Undone: ${history.peek().now.what}.`);
  history.value = back(history.peek());
}

export function redo() {
  if (!redoable.peek()) return;
  history.value = forward(history.peek());
  say(`Done again: ${history.peek().now.what}.`);
}

export function invert() {
  mask.peek().invert();
  commit('inversion');
  say(`Inverted: ${percent()} is masked.`);
}

export function clear() {
  mask.peek().words.fill(0);
  commit('clearing');
  say('The mask is empty.');
}

/** Masks a rectangle, or with `on` false takes it out of the mask. */
export function fillRectangle(box, on) {
  mask.peek().rectangle(box, on);
  commit('rectangle');
  say(`${box.width} by ${box.height} pixels ${on ? 'masked' : 'taken out of the mask'}: ${percent()} of the picture is masked.`);
}

const percent = () => `${(100 * share.peek()).toFixed(share.peek() < 0.1 ? 1 : 0)} percent`;

/** Makes the canvas larger by the pixels a side that the settings name; what is new is masked. */
export async function extend() {
  const [left, top, right, bottom] = ['left', 'top', 'right', 'bottom'].map((side) => Math.round(settings[side].peek()));
  const from = picture.peek(), { width, height } = from.pixels;
  if ((width + left + right) * (height + top + bottom) > MOST_PIXELS) return notify(`At most ${MOST_PIXELS / 2 ** 20} megapixels.`, { kind: 'error' });
  const sides = { left, top, right, bottom };
  const pixels = await extended(from.pixels, sides);
  if (picture.peek() !== from) return;
  proceed('larger canvas', { ...from, pixels }, mask.peek().extended(sides).words);
  say(`The canvas is now ${pixels.width} by ${pixels.height} pixels; what is new is masked.`);
}

/** Makes the brush one size larger (1) or smaller (-1). */
export function resizeBrush(by) {
  const { min, max } = rangeOf('brush');
  settings.brush.value = Number(Math.min(max, Math.max(min, settings.brush.peek() * 1.25 ** by)).toPrecision(2));
  say(`Brush of ${Math.round(diameter.peek())} pixels.`);
}

export function takeTool(tool) {
  settings.tool.value = tool;
  say(`${tool[0].toUpperCase()}${tool.slice(1)}.`);
}
