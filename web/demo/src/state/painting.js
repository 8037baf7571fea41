/* Code painting: tokens of the open picture are put over by other codes, and what that changes is decoded at once. */
import { batch, computed, effect, signal } from '@preact/signals';
import { tokenGrid } from 'tesserae';
import { around, lay, windowAround } from '../lib/window.js';
import { getCodec } from './codec.js';
import { report, say } from './notice.js';
import { shown } from './session.js';
import { settings } from './settings.js';
import { codes, focus, grid, level, original, painted, settled } from './tokens.js';

/** What the pointer does on the token picture: 'look' or 'paint'. */
export const tool = signal('look');
/** The code that is painted with, or null; it belongs to the level on view. */
export const brush = signal(null);
/** Strokes that are done, and those taken back: [{ places, before, after }], places being indices into the grid's data. */
export const strokes = signal([]);
export const undone = signal([]);
/** The picture of the painted tokens, or null where nothing is painted: one ImageData, painted on. */
export const picture = signal(null);
/** The rectangle of it that was painted last: { x, y, width, height }. */
export const fresh = signal(null);
export const changed = computed(() => painted.value !== null);

let stroke = null; // place -> code before, of the stroke under way
let dirty = null; // cells that are not decoded yet
let busy = false;

/** Lets the map show what paint does. */
const showPicture = () => (settings.paint.value = 'picture');

/** Takes a code as the brush, and the brush into the hand. */
export function takeBrush(code) {
  batch(() => {
    brush.value = code;
    tool.value = 'paint';
    showPicture();
  });
  say(`Code ${code} is the brush.`);
}

/** Lets the pointer look or paint; a first brush is the code in focus, or the first one of the picture. */
export function chooseTool(name) {
  batch(() => {
    tool.value = name;
    if (name !== 'paint') return;
    brush.value ??= focus.value?.code ?? codes.value?.[0] ?? null;
    showPicture();
  });
}

export function beginStroke() {
  stroke = new Map();
}

/** Puts a code on cells of the level on view, as a part of the stroke under way. */
export function draw(cells, code = brush.peek()) {
  const now = grid.peek();
  if (!now || !codes.peek() || code === null || !stroke) return;
  const first = level.peek() * now.width * now.height;
  const places = cells.map((cell) => first + cell).filter((place) => now.data[place] !== code);
  if (!places.length) return;
  for (const place of places) if (!stroke.has(place)) stroke.set(place, now.data[place]);
  write(places, () => code);
}

export function endStroke() {
  if (stroke?.size) {
    const places = [...stroke.keys()], data = painted.peek().data;
    batch(() => {
      strokes.value = [...strokes.peek(), { places, before: [...stroke.values()], after: places.map((place) => data[place]) }];
      undone.value = [];
      settled.value = painted.peek();
    });
  }
  stroke = null;
}

/** A stroke of one token. */
export function put(cell, code) {
  showPicture();
  beginStroke();
  draw([cell], code);
  endStroke();
}

export function undo() {
  const last = strokes.peek().at(-1);
  if (!last || stroke) return;
  batch(() => {
    strokes.value = strokes.peek().slice(0, -1);
    undone.value = [...undone.peek(), last];
    if (strokes.value.length) again(last.places, last.before);
    else clear();
  });
  say(strokes.peek().length ? 'Taken back.' : 'Taken back: these are the tokens of the file.');
}

export function redo() {
  const last = undone.peek().at(-1);
  if (!last || stroke) return;
  batch(() => {
    undone.value = undone.peek().slice(0, -1);
    strokes.value = [...strokes.peek(), last];
    again(last.places, last.after);
  });
  say('Painted again.');
}

/** Back to the tokens of the file. */
export function reset() {
  batch(() => {
    strokes.value = [];
    undone.value = [];
    clear();
  });
}

function clear() {
  stroke = dirty = null;
  painted.value = settled.value = picture.value = fresh.value = null;
}

function again(places, values) {
  write(places, (i) => values[i]);
  settled.value = painted.peek();
}

/** Writes codes to a copy of the tokens, and has the picture follow. */
function write(places, code) {
  const now = grid.peek(), { decoded } = shown.peek();
  const data = now.data.slice();
  places.forEach((place, i) => (data[place] = code(i)));
  const cells = places.map((place) => place % (now.width * now.height));
  dirty = around(cells, now.width, dirty);
  batch(() => {
    picture.value ??= new ImageData(new Uint8ClampedArray(decoded.data), decoded.width, decoded.height);
    painted.value = Object.assign(Object.create(Object.getPrototypeOf(now)), now, { data });
  });
  repaint();
}

/** Decodes what changed, until nothing is left to do; strokes that come in meanwhile are taken together. */
async function repaint() {
  if (busy) return;
  busy = true;
  try {
    const codec = await getCodec();
    while (dirty && painted.peek()) {
      const to = picture.peek(), cells = dirty;
      dirty = null;
      const { tokens, region, x, y } = windowAround(painted.peek(), cells, codec.model);
      const part = await codec.detokenize(tokens, { region });
      if (picture.peek() !== to) continue;
      lay(to, part, x, y);
      fresh.value = { x, y, width: part.width, height: part.height };
    }
  } catch (error) {
    report(error, 'The painted tokens could not be decoded');
  } finally {
    busy = false;
  }
}

/** The painted picture, decoded as a whole. */
export const paintedPicture = async () => (await getCodec()).detokenize(tokenGrid(painted.peek()));
/** The painted tokens as a file, coded as the open one is. */
export const paintedFile = async () => (await getCodec()).pack(painted.peek(), { predict: shown.peek()?.coder === 'predictor' });

effect(() => {
  original.value;
  reset();
});
effect(() => {
  level.value;
  brush.value = null; // codes of another level are other codes
  tool.value = 'look';
});
