/**
 * Reads PNG (every colour type and depth, interlaced too) and binary PPM and PGM, with nothing but Node's zlib.
 * 16-bit samples keep their high byte.
 */
import { inflateSync } from 'node:zlib';
import { TesseraeError } from './errors.js';

const CHANNELS = /** @type {Record<number, number>} */ ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 });
const DEPTHS = /** @type {Record<number, number[]>} */ ({
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
});
/** Adam7: first column, first row, column step, row step of each pass. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const MAX_PIXELS = 1 << 28;

/** @param {string} what */
const bad = (what) => new TesseraeError('ERR_INPUT', `The PNG is damaged: ${what}.`);

/** @param {number} width @param {number} height */
function checkSize(width, height) {
  if (!width || !height)
    throw new TesseraeError('ERR_INPUT', `The header says ${width}x${height} pixels; there is nothing to read.`);
  if (width * height > MAX_PIXELS)
    throw new TesseraeError(
      'ERR_TOO_LARGE',
      `The header says ${width}x${height} pixels; at most ${MAX_PIXELS >> 20} megapixels are read.`,
    );
}

/** @param {Uint8Array} bytes */
export const isPNG = (bytes) => bytes.length > 7 && [137, 80, 78, 71, 13, 10, 26, 10].every((b, i) => bytes[i] === b);

/** @param {Uint8Array} bytes @returns {import('./protocol.js').Pixels} RGBA where there is alpha, else RGB or grey */
export function readPNG(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = [];
  let header, palette, alpha;
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (body.length < size) throw bad(`its ${kind} chunk is cut short`);
    if (kind === 'IHDR' && size === 13)
      header = {
        width: view.getUint32(at + 8),
        height: view.getUint32(at + 12),
        depth: body[8],
        type: body[9],
        interlaced: body[12],
      };
    else if (kind === 'PLTE') palette = body;
    else if (kind === 'tRNS') alpha = body;
    else if (kind === 'IDAT') parts.push(body);
    else if (kind === 'IEND') break;
    at += size + 12;
  }
  if (!header || !DEPTHS[header.type]?.includes(header.depth)) throw bad('it has no valid header');
  if (header.type === 3 && !palette) throw bad('it has no palette');
  checkSize(header.width, header.height);
  return unpack({ ...header, palette, alpha }, parts);
}

/** @param {any} h header, palette and transparency @param {Uint8Array[]} parts */
function unpack(h, parts) {
  const { width, height, depth, type } = h;
  const passes = h.interlaced ? PASSES : [[0, 0, 1, 1]];
  const bits = depth * CHANNELS[type];
  const sizes = passes.map(([x, y, dx, dy]) => ({
    columns: Math.ceil((width - x) / dx),
    rows: Math.ceil((height - y) / dy),
  }));
  const expected = sizes.reduce(
    (sum, { columns, rows }) => sum + (columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * bits) / 8)) : 0),
    0,
  );
  let raw;
  try {
    raw = inflateSync(Buffer.concat(parts), { maxOutputLength: expected + 64 });
  } catch (error) {
    throw bad(error.message);
  }
  if (raw.length < expected) throw bad('it ends too early');

  const channels = /** @type {1 | 3 | 4} */ (h.alpha || type === 4 || type === 6 ? 4 : type === 0 ? 1 : 3);
  const data = new Uint8Array(width * height * channels);
  const put = painter(h, channels, data);
  let at = 0;
  passes.forEach(([x0, y0, dx, dy], i) => {
    const { columns, rows } = sizes[i];
    if (columns <= 0 || rows <= 0) return;
    const stride = Math.ceil((columns * bits) / 8);
    let above = new Uint8Array(stride);
    for (let row = 0; row < rows; row++, at += stride + 1) {
      const line = raw.subarray(at + 1, at + 1 + stride);
      unfilter(raw[at], line, above, Math.max(1, bits >> 3));
      for (let column = 0; column < columns; column++) put(line, column, (y0 + row * dy) * width + x0 + column * dx);
      above = line;
    }
  });
  return { data, width, height, channels };
}

/**
 * Undoes one row's filter in place.
 * @param {number} filter
 * @param {Uint8Array} line
 * @param {Uint8Array} above
 * @param {number} step bytes per pixel
 */
function unfilter(filter, line, above, step) {
  if (filter > 4) throw bad(`it has a row of filter ${filter}`);
  for (let i = 0; i < line.length; i++) {
    const a = i >= step ? line[i - step] : 0;
    const b = above[i];
    if (filter === 1) line[i] += a;
    else if (filter === 2) line[i] += b;
    else if (filter === 3) line[i] += (a + b) >> 1;
    else if (filter === 4) {
      const c = i >= step ? above[i - step] : 0;
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      line[i] += pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
  }
}

/** How one pixel of a row goes to its place. @param {any} h @param {number} channels @param {Uint8Array} data */
function painter({ depth, type, palette, alpha }, channels, data) {
  const step = depth === 16 ? 2 : 1;
  const samples = CHANNELS[type];
  const scale = type === 3 ? 1 : depth < 8 ? 255 / ((1 << depth) - 1) : 1;
  const sample = (/** @type {Uint8Array} */ line, /** @type {number} */ i) =>
    depth < 8 ? (line[(i * depth) >> 3] >> (8 - depth - ((i * depth) & 7))) & ((1 << depth) - 1) : line[i * step];
  const whole = (/** @type {Uint8Array} */ line, /** @type {number} */ i) =>
    depth === 16 ? (line[2 * i] << 8) | line[2 * i + 1] : sample(line, i);
  const key =
    type !== 3 && alpha?.length >= samples * 2
      ? Array.from({ length: samples }, (_, c) => (alpha[2 * c] << 8) | alpha[2 * c + 1])
      : undefined;

  return (/** @type {Uint8Array} */ line, /** @type {number} */ column, /** @type {number} */ pixel) => {
    const to = pixel * channels;
    const first = column * samples;
    if (type === 3) {
      const index = sample(line, column);
      for (let c = 0; c < 3; c++) data[to + c] = palette[3 * index + c] ?? 0;
      if (channels === 4) data[to + 3] = alpha[index] ?? 255;
      return;
    }
    const grey = samples < 3;
    for (let c = 0; c < Math.min(channels, 3); c++) data[to + c] = sample(line, first + (grey ? 0 : c)) * scale;
    if (channels < 4) return;
    if (key) data[to + 3] = key.every((k, c) => whole(line, first + c) === k) ? 0 : 255;
    else data[to + 3] = sample(line, first + samples - 1);
  };
}

/** @param {Uint8Array} bytes */
export const isPNM = (bytes) => bytes[0] === 80 && (bytes[1] === 53 || bytes[1] === 54);

/** Binary PGM (P5) and PPM (P6) of 8 bits. @param {Uint8Array} bytes @returns {import('./protocol.js').Pixels} */
export function readPNM(bytes) {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  const found = /^P([56])\s(?:\s*#[^\n]*\n)*\s*(\d+)\s+(?:#[^\n]*\n)*\s*(\d+)\s+(?:#[^\n]*\n)*\s*(\d+)\s/.exec(head);
  if (!found || found[4] !== '255')
    throw new TesseraeError('ERR_INPUT', 'Only binary PPM and PGM of 8 bits (maximum 255) are read.');
  const [width, height] = [Number(found[2]), Number(found[3])];
  checkSize(width, height);
  const channels = /** @type {1 | 3} */ (found[1] === '6' ? 3 : 1);
  const data = new Uint8Array(bytes.subarray(found[0].length, found[0].length + width * height * channels));
  if (data.length < width * height * channels) throw new TesseraeError('ERR_INPUT', 'The PPM ends too early.');
  return { data, width, height, channels };
}
