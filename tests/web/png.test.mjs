// The PNG and PPM reader against files written here, sample by sample, in every colour type, depth and filter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 as zlibCrc, deflateSync } from 'node:zlib';
import { readPNG, readPNM } from '../../web/png.js';

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** CRC32 as PNG wants it (zlib.crc32 came with Node 20.15). */
function crc32(bytes) {
  if (zlibCrc) return zlibCrc(bytes);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function chunk(kind, body) {
  const bytes = Buffer.alloc(body.length + 12);
  bytes.writeUInt32BE(body.length);
  bytes.write(kind, 4, 'latin1');
  bytes.set(body, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, body.length + 8)), body.length + 8);
  return bytes;
}

/** Filters one row the way an encoder does. */
function filtered(filter, row, above, step) {
  return row.map((x, i) => {
    const a = i >= step ? row[i - step] : 0;
    const b = above[i] ?? 0;
    const c = i >= step ? above[i - step] ?? 0 : 0;
    const p = a + b - c;
    const near = [a, b, c].reduce((best, v) => (Math.abs(p - v) < Math.abs(p - best) ? v : best));
    return (x - [0, a, b, (a + b) >> 1, near][filter]) & 255;
  });
}

/** Packs samples[y][x][c] of `depth` bits into rows, and writes a PNG; row y has filter y % 5. */
function writePNG(samples, { type, depth, palette, alpha, interlaced = false }) {
  const height = samples.length;
  const width = samples[0].length;
  const passes = interlaced
    ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]
    : [[0, 0, 1, 1]];
  const raw = [];
  for (const [x0, y0, dx, dy] of passes) {
    let above = [];
    for (let y = y0, n = 0; y < height; y += dy, n++) {
      const bits = [];
      for (let x = x0; x < width; x += dx) for (const s of samples[y][x]) bits.push(s.toString(2).padStart(depth, '0'));
      if (!bits.length) continue;
      const row = bits.join('').match(/.{1,8}/g).map((b) => parseInt(b.padEnd(8, '0'), 2));
      raw.push(n % 5, ...filtered(n % 5, row, above, Math.max(1, (depth * CHANNELS[type]) >> 3)));
      above = row;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, interlaced ? 1 : 0], 8);
  const data = deflateSync(Buffer.from(raw));
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', header),
    ...(palette ? [chunk('PLTE', Buffer.from(palette.flat()))] : []), ...(alpha ? [chunk('tRNS', Buffer.from(alpha))] : []),
    chunk('IDAT', data.subarray(0, 5)), chunk('IDAT', data.subarray(5)), chunk('IEND', Buffer.alloc(0)),
  ]);
}

let seed = 7;
const random = (below) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
const picture = (width, height, channels, depth) =>
  Array.from({ length: height }, () => Array.from({ length: width }, () => Array.from({ length: channels }, () => random(2 ** depth))));

for (const [type, depths] of Object.entries({ 0: [1, 2, 4, 8, 16], 2: [8, 16], 4: [8, 16], 6: [8, 16] })) {
  for (const depth of depths) {
    for (const interlaced of [false, true]) {
      test(`PNG type ${type}, ${depth} bits${interlaced ? ', interlaced' : ''}`, () => {
        for (const [width, height] of [[1, 1], [3, 2], [13, 11]]) {
          const samples = picture(width, height, CHANNELS[type], depth);
          const read = readPNG(writePNG(samples, { type: Number(type), depth, interlaced }));
          const to8 = (v) => (depth === 16 ? v >> 8 : (v * 255) / (2 ** depth - 1));
          const expected = samples.flat().flatMap((s) => {
            const v = s.map(to8);
            return type === '4' ? [v[0], v[0], v[0], v[1]] : v;
          });
          assert.deepEqual([read.width, read.height, read.channels], [width, height, { 0: 1, 2: 3, 4: 4, 6: 4 }[type]]);
          assert.deepEqual([...read.data], expected);
        }
      });
    }
  }
}

test('PNG palettes, with and without alpha, of 1 to 8 bits', () => {
  for (const depth of [1, 2, 4, 8]) {
    const palette = Array.from({ length: 2 ** depth }, () => [random(256), random(256), random(256)]);
    const samples = picture(9, 5, 1, depth);
    const plain = readPNG(writePNG(samples, { type: 3, depth, palette }));
    assert.equal(plain.channels, 3);
    assert.deepEqual([...plain.data], samples.flat().flatMap(([i]) => palette[i]));
    const clear = readPNG(writePNG(samples, { type: 3, depth, palette, alpha: [7, 9] }));
    assert.deepEqual([...clear.data], samples.flat().flatMap(([i]) => [...palette[i], [7, 9][i] ?? 255]));
  }
});

test('PNG with one transparent colour, of 8 and 16 bits', () => {
  const samples = [[[1, 2, 3], [4, 5, 6]]];
  const of8 = readPNG(writePNG(samples, { type: 2, depth: 8, alpha: [0, 4, 0, 5, 0, 6] }));
  assert.deepEqual([...of8.data], [1, 2, 3, 255, 4, 5, 6, 0]);
  const deep = [[[0x0102], [0x0103]]];
  const of16 = readPNG(writePNG(deep, { type: 0, depth: 16, alpha: [1, 3] }));
  assert.deepEqual([...of16.data], [1, 1, 1, 255, 1, 1, 1, 0]);
});

test('a PNG cut off anywhere, or with lies in its header, is an error with a code', () => {
  const good = writePNG(picture(8, 8, 3, 8), { type: 2, depth: 8 });
  for (let n = 8; n < good.length - 16; n++) assert.throws(() => readPNG(good.subarray(0, n)), { code: 'ERR_INPUT' }, `cut at ${n}`);
  const lie = (at, value) => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32BE(value, at);
    return bytes;
  };
  assert.throws(() => readPNG(lie(16, 70000)), { code: 'ERR_INPUT' });
  assert.throws(() => readPNG(Buffer.from(lie(16, 70000).map((b, i) => (i >= 20 && i < 24 ? lie(20, 70000)[i] : b)))), { code: 'ERR_TOO_LARGE' });
  assert.throws(() => readPNG(lie(16, 0)), { code: 'ERR_INPUT' });
  const type = Buffer.from(good);
  type[25] = 5;
  assert.throws(() => readPNG(type), { code: 'ERR_INPUT' });
});

test('PPM and PGM', () => {
  const ppm = Buffer.concat([Buffer.from('P6 # made by hand\n# twice\n2 1\n255\n'), Buffer.from([1, 2, 3, 4, 5, 6])]);
  assert.deepEqual(readPNM(ppm), { data: new Uint8Array([1, 2, 3, 4, 5, 6]), width: 2, height: 1, channels: 3 });
  const pgm = Buffer.concat([Buffer.from('P5\n1 2\n255\n'), Buffer.from([10, 13])]);
  assert.deepEqual(readPNM(pgm), { data: new Uint8Array([10, 13]), width: 1, height: 2, channels: 1 });
  assert.throws(() => readPNM(ppm.subarray(0, ppm.length - 1)), { code: 'ERR_INPUT' });
  assert.throws(() => readPNM(Buffer.from('P6 2 1 65535 ')), { code: 'ERR_INPUT' });
});
