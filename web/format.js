/** The header of a .tess file (docs/FORMAT.md), read without model or core. */
import { TesseraeError } from './errors.js';

const VERSION = 1;
const MAX_SIDE = 65535;
const MAX_PIXELS = 2 ** 28;
const MAX_LEVELS = 16;
const FLAG_ALPHA = 1;
const FLAG_GREY = 2;
const FLAG_PREDICTOR = 4;
const TILE_UNIT = 8;
const ALPHA_ROWS = 64;
const CHECKSUM_BYTES = 4;

/** Names of the models met so far, by fingerprint: a file holds the fingerprint alone. @type {Map<string, string>} */
const names = new Map();

/** @param {{name: string, hash: string}} info */
export const rememberModel = ({ name, hash }) => void names.set(hash, name);

const damaged = () =>
  new TesseraeError('ERR_FORMAT', "The file's header is cut off or damaged: get a whole copy of it.");

/** CRC-32 as in zlib and PNG, bit by bit: a header has few bytes. @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Reads little-endian numbers and LEB128 varints; the end of the bytes is an error. */
class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.bytes.length) throw damaged();
    return this.bytes[this.at++];
  }

  /** At most 32 bits, in as few bytes as will do. */
  varint() {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if ((shift === 28 && byte > 15) || (shift > 0 && byte === 0)) break;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw damaged();
  }

  /** `count` bytes, the last one first, in hexadecimal. @param {number} count */
  hex(count) {
    const digits = Array.from({ length: count }, () => this.byte().toString(16).padStart(2, '0'));
    return digits.reverse().join('');
  }
}

/** @param {ArrayBuffer | ArrayBufferView} file @returns {import('./types').FileInfo} */
export function readInfo(file) {
  const bytes = ArrayBuffer.isView(file)
    ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
    : new Uint8Array(file);
  if ([...'TESS'].some((letter, i) => bytes[i] !== letter.charCodeAt(0))) {
    throw new TesseraeError('ERR_FORMAT', 'This is no .tess file: it does not begin with "TESS".');
  }
  const reader = new Reader(bytes);
  reader.at = 4;
  const version = reader.byte();
  if (version !== VERSION) {
    throw new TesseraeError(
      'ERR_VERSION',
      `The file is of version ${version}; this package reads version ${VERSION}. Update it.`,
    );
  }
  const flags = reader.byte();
  const hash = reader.hex(8);
  const predicted = (flags & FLAG_PREDICTOR) !== 0;
  if (predicted && reader.hex(4) === '00000000') throw damaged();
  const [width, height, columns, rows] = [reader.varint(), reader.varint(), reader.varint(), reader.varint()];
  const levels = reader.byte();
  const tile = reader.byte() * TILE_UNIT;
  if ((flags & ~FLAG_PREDICTOR) > FLAG_GREY || !width || !height || !columns || !rows || columns > width || rows > height || !tile)
    throw damaged();
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS || levels > MAX_LEVELS) {
    throw new TesseraeError(
      'ERR_TOO_LARGE',
      `The header says ${width}x${height} pixels and ${levels} levels, which is over the limits.`,
    );
  }
  const alpha = (flags & FLAG_ALPHA) !== 0;
  const tiles = Math.ceil(columns / tile) * Math.ceil(rows / tile);
  const sections = (alpha ? Math.ceil(height / ALPHA_ROWS) : 0) + levels * tiles;
  if (sections > bytes.length - reader.at) throw damaged();
  let size = 0;
  for (let i = 0; i < sections; i++) {
    const length = reader.varint();
    size += length && length + CHECKSUM_BYTES;
  }
  const end = reader.at;
  if (reader.hex(CHECKSUM_BYTES) !== crc32(bytes.subarray(0, end)).toString(16).padStart(8, '0')) {
    throw new TesseraeError('ERR_CHECKSUM', "The file's header is damaged (checksum): get a whole copy of it.");
  }
  return {
    format: 'tess',
    version,
    width,
    height,
    alpha,
    model: { name: names.get(hash) ?? '', hash },
    coder: predicted ? 'predictor' : 'context',
    bytes: bytes.length,
    bpp: (bytes.length * 8) / (width * height),
    tokens: [columns, rows],
    levels,
    tiles,
    whole: bytes.length >= reader.at + size,
  };
}
