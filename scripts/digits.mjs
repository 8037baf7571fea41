#!/usr/bin/env node
/* Makes web/demo/public/digits.png, the training tab's small data set: the first 4,096 digits of a file of MNIST,
 * 28x28 each, 64 a row, as one greyscale PNG of 4 bits a pixel (16 levels are plenty for a VQ-VAE and halve the file).
 *
 *     node scripts/digits.mjs IMAGES.idx3-ubyte[.gz] [OUT.png]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import zlib, { deflateSync, gunzipSync } from 'node:zlib';

const SIDE = 28, COLUMNS = 64, ROWS = 64;

/** idx bytes -> { count, pixels }, with pixels [count][28][28]; throws on any other kind of idx file. */
function readDigits(path) {
  let bytes = readFileSync(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes);
  const [magic, count, height, width] = [0, 4, 8, 12].map((at) => bytes.readUInt32BE(at));
  if (magic !== 0x803 || height !== SIDE || width !== SIDE) throw new Error(`${path} is not an idx file of 28x28 digits`);
  return { count, pixels: bytes.subarray(16) };
}

/** One PNG chunk: length, type, body, CRC over type and body. */
function chunk(type, body) {
  const out = Buffer.alloc(body.length + 12);
  out.writeUInt32BE(body.length, 0);
  out.write(type, 4, 'latin1');
  body.copy(out, 8);
  out.writeUInt32BE(crc(out.subarray(4, body.length + 8)), body.length + 8);
  return out;
}

/** CRC-32 as PNG has it; zlib's own where this Node has it. */
function crc(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

/** Greyscale PNG of 4 bits a pixel from level(x, y) in 0..15; width must be even. */
function encodePng(width, height, level) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([4, 0, 0, 0, 0], 8); // bit depth, grey, deflate, adaptive filters, no interlace
  const stride = 1 + width / 2; // each row starts with filter 0 (none): the digits are flat, prediction only costs
  const rows = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x += 2) rows[y * stride + 1 + x / 2] = (level(x, y) << 4) | level(x + 1, y);
  }
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

const [, , source, target = new URL('../web/demo/public/digits.png', import.meta.url)] = process.argv;
if (!source) {
  console.error('usage: node scripts/digits.mjs IMAGES.idx3-ubyte[.gz] [OUT.png]');
  process.exit(2);
}
const { count, pixels } = readDigits(source);
if (count < COLUMNS * ROWS) throw new Error(`${source} holds ${count} digits; ${COLUMNS * ROWS} are needed`);
const png = encodePng(COLUMNS * SIDE, ROWS * SIDE, (x, y) => {
  const digit = Math.floor(y / SIDE) * COLUMNS + Math.floor(x / SIDE);
  return Math.round(pixels[(digit * SIDE + (y % SIDE)) * SIDE + (x % SIDE)] / 17);
});
writeFileSync(target, png);
console.log(`${COLUMNS * ROWS} digits, ${png.length} bytes`);
