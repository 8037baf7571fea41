/* The page's mask: bits against a byte per pixel, painted the plain way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bitmask } from '../../web/demo/src/lib/bitmask.js';

const WIDTH = 77, HEIGHT = 41; // neither is a multiple of a word

const bytesOf = (mask) => Array.from({ length: mask.width * mask.height }, (_, i) => mask.at(i % mask.width, Math.floor(i / mask.width)));
const plain = (inside) => Array.from({ length: WIDTH * HEIGHT }, (_, i) => Number(inside(i % WIDTH, Math.floor(i / WIDTH))));

/** Distance of a point to a line from a to b. */
function distance([x, y], [ax, ay], [bx, by]) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  const t = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
}

describe('a mask of bits', () => {
  it('takes a stroke to be all pixels whose middle lies within the radius of its line', () => {
    const lines = [[[10, 10], [60, 30]], [[30.37, 5.2], [30.37, 38.9]], [[-20, 12.5], [90, 20.25]], [[40.5, 20.5], [40.5, 20.5]], [[70, 35], [3, 1]], [[5, 20.1], [70, 20.1]]];
    for (const [from, to] of lines) {
      for (const radius of [0.8, 2.3, 9, 33]) {
        const mask = new Bitmask(WIDTH, HEIGHT);
        const box = mask.stroke(from, to, radius, true);
        assert.deepEqual(bytesOf(mask), plain((x, y) => distance([x + 0.5, y + 0.5], from, to) <= radius), `${from} to ${to}, radius ${radius}`);
        const { x, y, width, height } = mask.box();
        assert.ok(box.x <= x && box.y <= y && box.x + box.width >= x + width && box.y + box.height >= y + height, 'the box told holds what was set');
      }
    }
  });

  it('hits a pixel with the finest brush', () => {
    for (let i = 0; i < 50; i++) {
      const mask = new Bitmask(WIDTH, HEIGHT);
      const at = [10 + 0.13 * i, 10 + 0.29 * i];
      mask.stroke(at, at, 0.1, true);
      assert.ok(mask.count() > 0, `${at}`);
    }
  });

  it('erases, fills rectangles, inverts and counts', () => {
    const mask = new Bitmask(WIDTH, HEIGHT);
    mask.rectangle({ x: 3, y: 2, width: 66, height: 20 }, true);
    mask.rectangle({ x: 30, y: -5, width: 10, height: 12 }, false);
    const inside = (x, y) => x >= 3 && x < 69 && y >= 2 && y < 22 && !(x >= 30 && x < 40 && y < 7);
    assert.deepEqual(bytesOf(mask), plain(inside));
    assert.equal(mask.count(), plain(inside).reduce((a, b) => a + b));
    mask.invert();
    assert.deepEqual(bytesOf(mask), plain((x, y) => !inside(x, y)));
    assert.equal(mask.count(), plain((x, y) => !inside(x, y)).reduce((a, b) => a + b), 'nothing past the right edge is counted');
    mask.stroke([0, 0], [WIDTH, HEIGHT], 200, false);
    assert.equal(mask.count(), 0);
  });

  it('knows its box, its runs and its bytes', () => {
    const mask = new Bitmask(WIDTH, HEIGHT);
    assert.equal(mask.box(), null);
    mask.span(5, 31, 33, true);
    mask.span(9, 64, 200, true);
    assert.deepEqual(mask.box(), { x: 31, y: 5, width: WIDTH - 31, height: 5 });
    const runs = [];
    mask.span(9, 2, 4, true);
    mask.runs(9, (...run) => runs.push(run));
    assert.deepEqual(runs, [[2, 4], [64, WIDTH]]);
    assert.deepEqual([...mask.toBytes()], bytesOf(mask).map((bit) => 255 * bit));
    const full = new Bitmask(64, 2);
    full.invert();
    assert.deepEqual([...full.toBytes()], new Array(128).fill(255));
  });

  it('grows: what was masked stays so, what is new is masked', () => {
    const mask = new Bitmask(WIDTH, HEIGHT);
    mask.stroke([20, 20], [50, 25], 6, true);
    const before = bytesOf(mask);
    const all = mask.extended({ left: 13, top: 2, right: 40, bottom: 0 });
    assert.deepEqual([all.width, all.height], [WIDTH + 53, HEIGHT + 2]);
    for (let y = 0; y < all.height; y++) {
      for (let x = 0; x < all.width; x++) {
        const within = x >= 13 && x < 13 + WIDTH && y >= 2;
        assert.equal(all.at(x, y), within ? before[(y - 2) * WIDTH + x - 13] : 1, `${x}, ${y}`);
      }
    }
  });

  it('copies the words it is made of', () => {
    const mask = new Bitmask(WIDTH, HEIGHT);
    const other = new Bitmask(WIDTH, HEIGHT, mask.words);
    other.invert();
    assert.equal(mask.count(), 0);
  });
});
