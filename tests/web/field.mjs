// Checkpoints of the field made again from their lists of names and shapes (tests/fixtures/import, tools/tesserae/field.py).
import { readFileSync } from 'node:fs';

const folder = new URL('../fixtures/import/', import.meta.url);
const MASK = (1n << 64n) - 1n;

/** Values in [-1, 1) that follow from a name. */
function noise(name, count) {
  let seed = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) seed = ((seed ^ BigInt(byte)) * 0x100000001b3n) & MASK;
  return Float32Array.from({ length: count }, (_, i) => {
    let x = (seed + BigInt(i + 1) * 0x9e3779b97f4a7c15n) & MASK;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & MASK;
    x ^= x >> 31n;
    return (Number(x >> 40n) - (1 << 23)) * 2 ** -23;
  });
}

function valuesOf(name, shape) {
  const count = shape.reduce((a, b) => a * b, 1);
  const scale = shape.length === 1 ? 0.125 : name.includes('embedding') ? 1 : Math.fround(Math.sqrt(3 / (count / (shape[0] ?? 1))));
  const shift = shape.length === 1 && name.endsWith('weight') ? 1 : 0;
  return noise(name, count).map((v) => Math.fround(v * scale) + shift);
}

/** The bytes of a safetensors file of F32. @param {Record<string, {shape: number[], data: Float32Array}>} tensors */
function safetensors(tensors) {
  const header = {};
  let at = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, ...Object.values(tensors).map(({ data }) => Buffer.from(data.buffer))]));
}

/**
 * The checkpoint {name}.txt; with `part`, of the tensors that begin with it alone, without it in their names.
 * @param {string} name @param {string} [part]
 */
export function checkpoint(name, part = '') {
  const lines = readFileSync(new URL(`${name}.txt`, folder), 'utf8').trim().split('\n').slice(1);
  const tensors = {};
  for (const line of lines) {
    const [, key, sides] = line.match(/^(\S+) \[(.*)\]$/);
    const shape = sides ? sides.split(', ').map(Number) : [];
    if (key.startsWith(part)) tensors[key.slice(part.length)] = { shape, data: valuesOf(key, shape) };
  }
  return safetensors(tensors);
}

/** What PyTorch got for it: { image, tokens or latents, output }, each { shape, data }. @param {string} name */
export function expected(name) {
  const bytes = readFileSync(new URL(`${name}.safetensors`, folder));
  const start = 8 + Number(bytes.readBigUInt64LE());
  const types = { U8: Uint8Array, I32: Int32Array, F32: Float32Array };
  const found = {};
  for (const [key, { dtype, shape, data_offsets: [from, to] }] of Object.entries(JSON.parse(bytes.subarray(8, start)))) {
    const copy = Uint8Array.from(bytes.subarray(start + from, start + to));
    found[key] = { shape, data: new types[dtype](copy.buffer) };
  }
  return found;
}
