// The page's bicubic resizing against Pillow's, and what it does with transparency.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

let resize;
before(async () => {
  globalThis.ImageData ??= class {
    constructor(width, height) {
      Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
    }
  };
  ({ resize } = await import('../../web/demo/src/lib/resize.js'));
});

/** A grey ImageData of these rows. */
function grey(rows) {
  const image = new ImageData(rows[0].length, rows.length);
  rows.flat().forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  return image;
}

/** The rows of an ImageData's red. */
const rowsOf = ({ data, width, height }) => Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => data[4 * (y * width + x)]));
const turned = (rows) => rows[0].map((_, x) => rows.map((row) => row[x]));

// Image.fromarray(GIVEN).resize((8, 3), Image.BICUBIC) and (2, 3), Pillow 9.4
const GIVEN = [[10, 200, 60, 90], [40, 80, 120, 250], [100, 30, 170, 20]];
const ENLARGED = [[0, 49, 168, 184, 91, 57, 81, 93], [36, 47, 68, 88, 104, 152, 226, 255], [106, 84, 36, 57, 150, 146, 52, 7]];
const SHRUNK = [[100, 92], [60, 178], [79, 87]];

test('enlarges and shrinks as Pillow does, along rows and columns', () => {
  assert.deepEqual(rowsOf(resize(grey(GIVEN), 8, 3)), ENLARGED);
  assert.deepEqual(rowsOf(resize(grey(GIVEN), 2, 3)), SHRUNK);
  assert.deepEqual(rowsOf(resize(grey(turned(GIVEN)), 3, 8)), turned(ENLARGED));
  assert.deepEqual(rowsOf(resize(grey(turned(GIVEN)), 3, 2)), turned(SHRUNK));
});

test('what is transparent lends its colour to nothing', () => {
  const image = new ImageData(4, 1);
  image.data.set([200, 0, 0, 255, 200, 0, 0, 255, 0, 255, 0, 0, 0, 255, 0, 0]);
  const { data } = resize(image, 16, 1);
  for (let i = 0; i < data.length; i += 4) if (data[i + 3]) assert.deepEqual([...data.subarray(i, i + 3)], [200, 0, 0]);
  assert.deepEqual([data[3], data.at(-1)], [255, 0]);
});
