/* Parts of token grids, for decoding what a few tokens change and no more. */

/**
 * The part of a grid that decodes to all pixels which a rectangle of tokens has a say in.
 * @param {{width, height, levels, size, data, pixelWidth, pixelHeight}} grid
 * @param {{left, top, right, bottom}} cells columns left..right - 1, rows top..bottom - 1
 * @param {{factor: number, reach: number}} model pixels along a side of a token; tokens beyond its own that one changes (-1: all)
 * @param {number} [margin] tokens around the rectangle whose pixels are wanted: by default all that it changes
 * @returns {{tokens: object, region: {x, y, width, height}, x: number, y: number}} a grid; the pixels wanted in it; their place in the whole picture
 */
export function windowAround(grid, cells, { factor, reach }, margin = reach) {
  const whole = { left: 0, top: 0, right: grid.width, bottom: grid.height };
  const wide = (by) => (by < 0 || reach < 0 ? whole : grow(cells, by, whole));
  const wanted = margin < 0 ? whole : grow(cells, margin, whole), seen = wide(margin + reach);
  const width = seen.right - seen.left, height = seen.bottom - seen.top;
  const data = new Uint16Array(grid.levels * width * height);
  for (let level = 0, at = 0; level < grid.levels; level++) {
    for (let y = seen.top; y < seen.bottom; y++, at += width) {
      const from = (level * grid.height + y) * grid.width + seen.left;
      data.set(grid.data.subarray(from, from + width), at);
    }
  }
  const right = (cell, most) => Math.min(cell * factor, most);
  const x = wanted.left * factor, y = wanted.top * factor, left = seen.left * factor, top = seen.top * factor;
  return {
    tokens: {
      width, height, levels: grid.levels, size: grid.size, data,
      pixelWidth: right(seen.right, grid.pixelWidth) - left, pixelHeight: right(seen.bottom, grid.pixelHeight) - top,
    },
    region: { x: x - left, y: y - top, width: right(wanted.right, grid.pixelWidth) - x, height: right(wanted.bottom, grid.pixelHeight) - y },
    x, y,
  };
}

/** A rectangle with a border around it, as far as it lies within another. */
const grow = ({ left, top, right, bottom }, by, within) => ({
  left: Math.max(within.left, left - by), top: Math.max(within.top, top - by), right: Math.min(within.right, right + by), bottom: Math.min(within.bottom, bottom + by),
});

/** The least rectangle around cells of a grid of that width, and around another rectangle if there is one. */
export function around(cells, width, other) {
  const box = other ? { ...other } : { left: Infinity, top: Infinity, right: 0, bottom: 0 };
  for (const cell of cells) {
    const x = cell % width, y = Math.floor(cell / width);
    Object.assign(box, { left: Math.min(box.left, x), top: Math.min(box.top, y), right: Math.max(box.right, x + 1), bottom: Math.max(box.bottom, y + 1) });
  }
  return box;
}

/** The cells on the line between two, both included, in a grid of that width. */
export function lineOf(from, to, width) {
  const [x0, y0, x1, y1] = [from % width, Math.floor(from / width), to % width, Math.floor(to / width)];
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  return Array.from({ length: steps + 1 }, (_, i) => Math.round(y0 + ((y1 - y0) * i) / steps) * width + Math.round(x0 + ((x1 - x0) * i) / steps));
}

/** Lays one picture over another at (x, y); the alpha below stays. */
export function lay(onto, part, x, y) {
  for (let row = 0; row < part.height; row++) {
    for (let i = 0, d = ((y + row) * onto.width + x) * 4, s = row * part.width * 4; i < part.width; i++, d += 4, s += 4) {
      onto.data[d] = part.data[s];
      onto.data[d + 1] = part.data[s + 1];
      onto.data[d + 2] = part.data[s + 2];
    }
  }
}
