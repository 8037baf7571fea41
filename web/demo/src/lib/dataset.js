/* Training pictures: those that come with the page, or the user's own. All are read, shrunk and cut in the picture worker;
 * what is made here can be iterated more than once, as a trainer that crashed is given its pictures again. */
import { slices } from './pause.js';
import { readPixels, shrink } from './pictures.js';

/**
 * What comes with the page: sheets of square tiles, row by row. `held`: the last tiles of every sheet, for validation.
 * `least`: the smallest crop; smaller tiles stand in the middle of a black square.
 */
export const sets = {
  digits: {
    label: 'Digits', noun: 'digits', files: ['digits.png'], tile: 28, columns: 64, counts: [4096], held: 64, pad: true, flip: false, licence: 'CC BY-SA 3.0',
    credit: 'Handwritten digits: MNIST, Y. LeCun, C. Cortes, C. Burges, CC BY‑SA 3.0.',
  },
  avatars: {
    label: 'Avatars', noun: 'avatars', files: [0, 1, 2, 3].flatMap((i) => [`data/adventurer-${i}.webp`, `data/pixelart-${i}.webp`]), tile: 64, columns: 20,
    counts: new Array(8).fill(400), held: 8, flip: true, licence: 'CC BY 4.0',
    credit: 'Avatars: “Adventurer” by Lisa Wischofsky, CC BY 4.0, and “Pixel Art” by DiceBear, CC0.',
  },
  emoji: {
    label: 'Emoji', noun: 'emoji', files: [0, 1, 2, 3, 4].map((i) => `data/emoji-${i}.webp`), tile: 64, columns: 20, counts: [400, 400, 400, 400, 238], held: 8, flip: false, licence: 'CC BY 4.0',
    credit: 'Emoji: Twemoji by Twitter and other contributors, CC BY 4.0.',
  },
};

/** Longer side of the user's pictures as they are kept and trained on, pixels. */
const OWN_SIDE = 512;
const PREVIEWS = 16;

/** The pixels of a sheet; tiles larger than `side` are shrunk to it. */
async function readSheet({ tile, columns, counts, files }, index, side) {
  const response = await fetch(`./${files[index]}`);
  if (!response.ok) throw new Error(`${files[index]} could not be read (${response.status}).`);
  const rows = Math.ceil(counts[index] / columns), edge = Math.min(tile, side);
  return readPixels(await response.blob(), edge < tile ? Math.max(rows, columns) * edge : undefined);
}

/** One tile of a sheet; with `pad` in the middle of a black square of `side` pixels. */
function tileOf(sheet, columns, index, { side, pad }) {
  const tile = sheet.width / columns;
  const edge = pad ? Math.max(tile, side) : tile;
  const out = new ImageData(edge, edge);
  const words = new Uint32Array(out.data.buffer).fill(0xff000000);
  const from = new Uint32Array(sheet.data.buffer);
  const left = (index % columns) * tile, top = Math.floor(index / columns) * tile, margin = (edge - tile) >> 1;
  for (let y = 0; y < tile; y++) {
    const start = (top + y) * sheet.width + left;
    words.set(from.subarray(start, start + tile), (y + margin) * edge + margin);
  }
  return out;
}

/** Tiles first(count)..last(count)-1 of every sheet, sheet by sheet, without ever holding up the page; iterable again and again. */
const tiles = (set, side, first, last) => ({
  async *[Symbol.asyncIterator]() {
    const turn = slices();
    for (const [s, count] of set.counts.entries()) {
      const sheet = await readSheet(set, s, set.pad ? set.tile : side);
      for (let i = first(count, s); i < last(count, s); i++) {
        yield tileOf(sheet, set.columns, i, { side, pad: set.pad });
        await turn();
      }
    }
  },
});

/** The largest crop that a set's pictures take, pixels; own pictures: of what the page offers. */
export const largestCrop = (name) => (sets[name] && !sets[name].pad ? sets[name].tile : 128);

/**
 * A set of the page for crops of `side` pixels.
 * @returns {Dataset} { name, label, licence, flip, data, validation }: data and validation are iterables of ImageData
 */
export function bundledSet(name, side) {
  const set = sets[name];
  const total = set.counts.reduce((sum, count) => sum + count, 0) - set.held * set.counts.length;
  const shown = Math.ceil(PREVIEWS / set.counts.length);
  return {
    name, label: `${total.toLocaleString('en')} ${set.noun}`, licence: set.licence, flip: set.flip,
    data: tiles(set, side, () => 0, (count) => count - set.held),
    validation: tiles(set, side, (count) => count - set.held, (count) => count - set.held + shown),
  };
}

/** A contact sheet of held-out tiles: something to look at with a model that was trained on the set. */
export async function contactSheet(name, rows = 8, columns = 12) {
  const set = sets[name], side = set.pad ? 32 : set.tile;
  const canvas = new OffscreenCanvas(columns * side, rows * side);
  const context = canvas.getContext('2d');
  const held = [];
  for await (const tile of tiles(set, side, (count) => count - set.held, (count) => count)) held.push(tile);
  for (let i = 0; i < rows * columns; i++) context.putImageData(held[i % held.length], (i % columns) * side, Math.floor(i / columns) * side);
  return new File([await canvas.convertToBlob({ type: 'image/png' })], `${name}.png`, { type: 'image/png' });
}

/**
 * The user's files as PNGs of at most 512 pixels a side: what is trained on, and kept for a later visit. Files that are no
 * pictures, or are smaller than `side`, are left out.
 * @param {Blob[]} files @param {(done: number) => void} [onProgress]
 * @returns {Promise<Blob[]>}
 */
export async function shrinkAll(files, side, onProgress) {
  const kept = [];
  for (const [i, file] of files.entries()) {
    const small = await shrink(file, OWN_SIDE, side).catch(() => null);
    if (small) kept.push(small);
    onProgress?.(i + 1);
  }
  if (!kept.length) throw new Error(`None of these files is a picture of at least ${side} x ${side} pixels.`);
  return kept;
}

/** Every fifth picture is held out where there are five or more. */
export const isHeld = (i, count) => count >= 5 && i % 5 === 4;

const pixelsOf = (blobs) => ({
  async *[Symbol.asyncIterator]() {
    for (const blob of blobs) yield await readPixels(blob);
  },
});

/** The user's pictures, as shrinkAll() made them; `held` are those that training never sees. */
export function ownSet(pictures) {
  const held = pictures.filter((_, i) => isHeld(i, pictures.length));
  const rest = pictures.filter((_, i) => !isHeld(i, pictures.length));
  const label = `${rest.length} of your pictures${held.length ? `, ${held.length} more held out` : ''}`;
  return { name: 'own pictures', label, licence: '', flip: true, held, data: pixelsOf(rest), validation: pixelsOf((held.length ? held : rest).slice(0, PREVIEWS)) };
}
