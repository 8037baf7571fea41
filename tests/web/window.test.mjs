// Decoding what a few tokens change: the window's pixels are the whole picture's, and outside of it nothing changes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCodec, tokenGrid } from '../../dist/node.js';
import { around, lay, lineOf, windowAround } from '../../web/demo/src/lib/window.js';
import { strangeWords } from '../../web/demo/src/lib/words.js';
import { scene } from './pictures.mjs';

const WIDTH = 410, HEIGHT = 330; // no multiples of 8: 52 x 42 tokens
/** @type {import('../../web/types').Codec} */
let codec;
let grid, whole;
before(async () => {
  codec = await createCodec({ threads: 1 });
  grid = await codec.tokenize(scene(WIDTH, HEIGHT));
  whole = await codec.detokenize(grid);
});
after(() => codec?.dispose());

/** The grid with a code put on some cells of a level. */
const painted = (cells, level, code) => {
  const data = grid.data.slice();
  for (const cell of cells) data[level * grid.width * grid.height + cell] = code;
  return tokenGrid({ ...grid, data });
};
const cellAt = (x, y) => y * grid.width + x;

for (const [name, cells] of [['one in the middle', [[25, 20]]], ['a corner', [[0, 0]]], ['the last one, which hangs over the edge', [[51, 41]]], ['an edge', [[51, 3], [51, 9]]], ['a few', [[20, 30], [24, 33]]]]) {
  test(`${name}: the window laid over the former picture is the new one`, async () => {
    const now = painted(cells.map(([x, y]) => cellAt(x, y)), 0, 77);
    const box = around(cells.map(([x, y]) => cellAt(x, y)), grid.width);
    const { tokens, region, x, y } = windowAround(now, box, codec.model);
    assert.ok(tokens.width * tokens.height < (grid.width * grid.height) / 1.2, `${tokens.width}x${tokens.height} of ${grid.width}x${grid.height}`);
    const part = await codec.detokenize(tokens, { region });
    assert.deepEqual([part.width, part.height], [region.width, region.height]);
    const picture = { ...whole, width: WIDTH, height: HEIGHT, data: whole.data.slice() };
    lay(picture, part, x, y);
    const wanted = await codec.detokenize(now);
    let most = 0;
    picture.data.forEach((value, i) => (most = Math.max(most, Math.abs(value - wanted.data[i]))));
    assert.ok(most <= 1, `off by ${most}`); // convolutions round by where a window lies
    assert.ok(wanted.data.some((value, i) => Math.abs(value - whole.data[i]) > 8), 'the tokens matter');
  });
}

test('a neighbourhood has its own size, and nets that see everything get everything', async () => {
  const { tokens, region } = windowAround(grid, around([cellAt(10, 10)], grid.width), codec.model, 1);
  assert.deepEqual([region.width, region.height], [24, 24]);
  assert.equal(tokens.width, 3 + 2 * codec.model.reach);
  const all = windowAround(grid, around([cellAt(10, 10)], grid.width), { factor: 8, reach: -1 });
  assert.deepEqual([all.tokens.width, all.tokens.height, all.region, all.x], [52, 42, { x: 0, y: 0, width: WIDTH, height: HEIGHT }, 0]);
  const near = windowAround(grid, around([cellAt(10, 10)], grid.width), { factor: 8, reach: -1 }, 1);
  assert.deepEqual([near.tokens.width, near.region, near.x], [52, { x: 72, y: 72, width: 24, height: 24 }, 72]);
});

test('rectangles around cells, lines between them', () => {
  assert.deepEqual(around([13, 25], 10), { left: 3, top: 1, right: 6, bottom: 3 });
  assert.deepEqual(around([0], 10, { left: 3, top: 1, right: 6, bottom: 3 }), { left: 0, top: 0, right: 6, bottom: 3 });
  assert.deepEqual(lineOf(0, 3, 10), [0, 1, 2, 3]);
  assert.deepEqual(lineOf(33, 0, 10), [33, 22, 11, 0]);
  assert.deepEqual(lineOf(5, 5, 10).filter((cell) => cell !== 5), []);
  const long = lineOf(0, 57, 10); // each next to the one before
  assert.ok(long.every((cell, i) => !i || Math.max(Math.abs((cell % 10) - (long[i - 1] % 10)), Math.abs(Math.floor(cell / 10) - Math.floor(long[i - 1] / 10))) === 1));
});

test('words that no known phrase has', () => {
  const known = ['red hair', 'light-blue hat', 'Glasses'];
  assert.deepEqual(strangeWords('red hat, GLASSES', known), []);
  assert.deepEqual(strangeWords('robot with red wings, robot', known), ['robot', 'with', 'wings']);
  assert.deepEqual(strangeWords('light blue', known), []);
  assert.deepEqual(strangeWords('  ,!? ', known), []);
  assert.deepEqual(strangeWords('größe', known), ['größe']);
});
