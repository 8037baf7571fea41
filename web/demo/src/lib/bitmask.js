/* Which pixels of a picture are to be filled: a bit each, so that a mask of 12 megapixels is copied, inverted and counted in
 * about a millisecond. */

const ALL = -1; // a word of ones

/** Ones in a word. */
function ones(word) {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** Bits of a word from `from` (0..31) up to but without `to` (1..32). */
const bits = (from, to) => (ALL << from) & (to === 32 ? ALL : ~(ALL << to));

export class Bitmask {
  /** All zero, or with the words of another mask of this size, which are copied. @param {number} width @param {number} height @param {Int32Array} [words] */
  constructor(width, height, words) {
    this.width = width;
    this.height = height;
    /** Words of a row; bits past the width are zero. */
    this.stride = (width + 31) >> 5;
    this.words = words ? words.slice() : new Int32Array(this.stride * height);
  }

  at(x, y) {
    return (this.words[y * this.stride + (x >> 5)] >>> (x & 31)) & 1;
  }

  /** Sets or clears pixels [from, to) of a row; what lies outside is left out. */
  span(y, from, to, on) {
    from = Math.max(0, from);
    to = Math.min(this.width, to);
    if (y < 0 || y >= this.height || from >= to) return;
    const row = y * this.stride, first = from >> 5, last = (to - 1) >> 5;
    for (let i = first; i <= last; i++) {
      const some = bits(i === first ? from & 31 : 0, i === last ? ((to - 1) & 31) + 1 : 32);
      if (on) this.words[row + i] |= some;
      else this.words[row + i] &= ~some;
    }
  }

  /** Sets or clears a rectangle, in whole pixels; returns it. @param {{ x: number, y: number, width: number, height: number }} box */
  rectangle(box, on) {
    for (let y = box.y; y < box.y + box.height; y++) this.span(y, box.x, box.x + box.width, on);
    return box;
  }

  /**
   * A round brush of this radius (in pixels, fractions too) drawn from one point to another: every pixel whose middle it
   * passes over. Returns the box that it touched.
   */
  stroke([ax, ay], [bx, by], radius, on) {
    const r = Math.max(radius, 0.75); // one that hits a pixel wherever it is
    const length = Math.hypot(bx - ax, by - ay);
    const [nx, ny] = length ? [(-r * (by - ay)) / length, (r * (bx - ax)) / length] : [0, 0];
    const sides = [[ax + nx, ay + ny, bx + nx, by + ny], [ax - nx, ay - ny, bx - nx, by - ny], [ax + nx, ay + ny, ax - nx, ay - ny], [bx + nx, by + ny, bx - nx, by - ny]];
    const top = Math.max(0, Math.floor(Math.min(ay, by) - r)), bottom = Math.min(this.height, Math.ceil(Math.max(ay, by) + r));
    for (let row = top; row < bottom; row++) {
      const y = row + 0.5;
      let low = Infinity, high = -Infinity;
      const reach = (from, to) => {
        low = Math.min(low, from);
        high = Math.max(high, to);
      };
      for (const [x, at] of [[ax, ay], [bx, by]]) {
        const half = r * r - (y - at) ** 2;
        if (half >= 0) reach(x - Math.sqrt(half), x + Math.sqrt(half));
      }
      for (const [x0, y0, x1, y1] of sides) {
        if ((y0 <= y) === (y1 <= y)) continue;
        const x = x0 + ((x1 - x0) * (y - y0)) / (y1 - y0);
        reach(x, x);
      }
      if (low <= high) this.span(row, Math.ceil(low - 0.5), Math.floor(high - 0.5) + 1, on);
    }
    const left = Math.max(0, Math.floor(Math.min(ax, bx) - r)), right = Math.min(this.width, Math.ceil(Math.max(ax, bx) + r));
    return { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
  }

  invert() {
    const rest = this.width & 31;
    for (let i = 0; i < this.words.length; i++) this.words[i] = ~this.words[i];
    if (rest) for (let i = this.stride - 1; i < this.words.length; i += this.stride) this.words[i] &= bits(0, rest);
  }

  /** Pixels set. */
  count() {
    let sum = 0;
    for (const word of this.words) sum += ones(word);
    return sum;
  }

  /** Calls `visit(from, to)` for every run of set pixels in a row. */
  runs(y, visit) {
    let from = -1;
    for (let i = 0; i < this.stride; i++) {
      const word = this.words[y * this.stride + i];
      if (word === (from < 0 ? 0 : ALL)) continue; // nothing begins or ends here
      for (let x = 32 * i; x < 32 * i + 32; x++) {
        const on = (word >>> (x & 31)) & 1;
        if (on && from < 0) from = x;
        else if (!on && from >= 0) {
          visit(from, x);
          from = -1;
        }
      }
    }
    if (from >= 0) visit(from, this.width);
  }

  /** The smallest box that holds all set pixels, null if none is. */
  box() {
    let left = Infinity, right = 0, top = -1, bottom = -1;
    for (let y = 0; y < this.height; y++) {
      this.runs(y, (from, to) => {
        left = Math.min(left, from);
        right = Math.max(right, to);
        if (top < 0) top = y;
        bottom = y + 1;
      });
    }
    return top < 0 ? null : { x: left, y: top, width: right - left, height: bottom - top };
  }

  /** One byte a pixel, row by row: 255 where it is set. */
  toBytes() {
    const bytes = new Uint8Array(this.width * this.height);
    for (let y = 0; y < this.height; y++) this.runs(y, (from, to) => bytes.fill(255, y * this.width + from, y * this.width + to));
    return bytes;
  }

  /** On a canvas that is larger by so many pixels a side; what is new is set. */
  extended({ left, top, right, bottom }) {
    const all = new Bitmask(this.width + left + right, this.height + top + bottom);
    all.invert();
    all.rectangle({ x: left, y: top, width: this.width, height: this.height }, false);
    for (let y = 0; y < this.height; y++) this.runs(y, (from, to) => all.span(y + top, from + left, to + left, true));
    return all;
  }
}
