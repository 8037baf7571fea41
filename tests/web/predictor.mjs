// Predictors (docs/FORMAT.md, 3.8) with weights that follow from a seed: they predict nothing, but code and decode as others do.
import { readFixture, writeFixture } from './safetensors.mjs';

const DIM = 4, HIDDEN = 10, QUERY = 6;
const SHIFTS = [18, 22, 22, 22, 14]; // activations of some thousands, log-likelihoods of some nats
const MIX = [3500, 500, 0]; // 4096 is 1

/** Whole numbers from -127 to 127, murmur3's finalizer of their places. @param {number} seed @param {number} count */
function noise(seed, count) {
  return Int8Array.from({ length: count }, (_, i) => {
    let x = Math.imul(seed + 1, 0x9e3779b9) + i;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (((x ^ (x >>> 16)) >>> 0) % 255) - 127;
  });
}

/** The bytes of `predictor.{level}`. @param {number} level @param {number} size codes of the level @param {number} seed */
export function predictor(level, size, seed = 1) {
  const bits = Math.ceil(Math.log2(size)), decisions = bits + (level > 0 ? 1 : 0);
  const taps = 40 + (level > 0 ? 25 : 0);
  let part = seed * 100 + level * 10;
  const bytes = (numbers) => new Uint8Array(numbers.buffer);
  const dense = (rows, columns) => [noise(part++, rows * columns), Int32Array.from(noise(part++, rows), (v) => v * 300), new Uint16Array(rows).fill(40_000)].map(bytes);
  const parts = [
    Uint8Array.of(1, DIM), bytes(Uint16Array.of(HIDDEN, QUERY)), Uint8Array.of(...SHIFTS, 0),
    bytes(noise(part++, (level + 1) * (size + 1) * DIM)),
    ...dense(HIDDEN, taps * DIM), ...dense(HIDDEN, HIDDEN), ...dense(HIDDEN, HIDDEN), ...dense(QUERY, HIDDEN),
    ...dense(size, QUERY).slice(0, 2),
    bytes(Int16Array.from({ length: decisions * 3 }, (_, i) => MIX[i % 3])),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

/** A model's file with predictors at some of its levels. @param {Uint8Array} bytes @param {number[]} levels @param {number} [seed] */
export function withPredictors(bytes, levels, seed) {
  const { tensors, config } = readFixture(bytes);
  for (const level of levels) {
    const data = predictor(level, config.quantizer.size, seed);
    tensors[`predictor.${level}`] = { dtype: 'U8', shape: [data.length], data };
  }
  return writeFixture(tensors, config);
}
