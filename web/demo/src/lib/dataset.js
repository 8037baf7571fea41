/* Training pictures: the digits that come with the page, or the user's own. */
import { slices } from './pause.js';
import { readPixels } from './pictures.js';

const TILE = 28, COLUMNS = 64, COUNT = 4096, HELD_OUT = 64;

/** One 28x28 tile of the sheet in the middle of a black side x side square. */
function tileOf(sheet, index, side) {
  const out = new ImageData(side, side);
  const words = new Uint32Array(out.data.buffer).fill(0xff000000);
  const from = new Uint32Array(sheet.data.buffer);
  const left = (index % COLUMNS) * TILE, top = Math.floor(index / COLUMNS) * TILE, margin = (side - TILE) >> 1;
  for (let y = 0; y < TILE; y++) {
    const start = (top + y) * sheet.width + left;
    words.set(from.subarray(start, start + TILE), (y + margin) * side + margin);
  }
  return out;
}

/** Digits first..last-1, without ever holding up the page. */
async function* digitsFrom(sheet, first, last, side) {
  const turn = slices();
  for (let i = first; i < last; i++) {
    yield tileOf(sheet, i, side);
    await turn();
  }
}

/** 4,032 MNIST digits to train on and 64 held out, each in a square of at least 28 pixels. */
export async function digits(side) {
  const response = await fetch('./digits.png');
  if (!response.ok) throw new Error(`The digits could not be read (${response.status}).`);
  const sheet = await readPixels(await response.blob());
  const edge = Math.max(32, side);
  return {
    name: 'digits',
    label: `${(COUNT - HELD_OUT).toLocaleString('en')} digits`,
    data: digitsFrom(sheet, 0, COUNT - HELD_OUT, edge),
    validation: digitsFrom(sheet, COUNT - HELD_OUT, COUNT - HELD_OUT + 16, edge),
    files: [],
    flip: false,
  };
}

/** A contact sheet of held-out digits: something to look at with a model that was trained on digits. */
export async function digitsSheet(rows = 8, columns = 12, side = 32) {
  const sheet = await readPixels(await (await fetch('./digits.png')).blob());
  const canvas = new OffscreenCanvas(columns * side, rows * side);
  const context = canvas.getContext('2d');
  for (let i = 0; i < rows * columns; i++) {
    context.putImageData(tileOf(sheet, COUNT - HELD_OUT + (i % HELD_OUT), side), (i % columns) * side, Math.floor(i / columns) * side);
  }
  return new File([await canvas.convertToBlob({ type: 'image/png' })], 'digits.png', { type: 'image/png' });
}

/** The user's pictures, at most 512 pixels a side; every eighth one is held out when there are enough. */
export async function ownPictures(files, side) {
  const readable = [], held = [];
  for (const [i, file] of files.entries()) {
    const pixels = await readPixels(file, 512).catch(() => null);
    if (!pixels || Math.min(pixels.width, pixels.height) < side) continue;
    (files.length >= 16 && i % 8 === 7 ? held : readable).push(pixels);
  }
  if (!readable.length) throw new Error(`None of these files is a picture of at least ${side} x ${side} pixels.`);
  const validation = (held.length ? held : readable).slice(0, 16);
  return { name: 'own pictures', label: `${readable.length} of your pictures`, data: readable, validation, files, flip: true };
}
