// Model files and parts made of the twin's fixtures.
import { readFileSync } from 'node:fs';

/** @param {string} name of a file in tests/fixtures/twin */
export const fixture = (name) => new Uint8Array(readFileSync(new URL(`../fixtures/twin/${name}.safetensors`, import.meta.url)));

/** A file's tensors, with their bytes, and its config. @param {Uint8Array} bytes */
export function readFixture(bytes) {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const { __metadata__: metadata, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const tensors = Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => [name, { dtype, shape, data: bytes.subarray(8 + length + from, 8 + length + to) }]),
  );
  return { tensors, config: metadata && JSON.parse(metadata.tesserae) };
}

/** A file of tensors and a config. @param {Record<string, {dtype: string, shape: number[], data: Uint8Array}>} tensors @param {any} config */
export function writeFixture(tensors, config) {
  let at = 0;
  const header = { __metadata__: { tesserae: JSON.stringify(config) } };
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) header[name] = { dtype, shape, data_offsets: [at, (at += data.length)] };
  const text = JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + head.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  at = 8 + head.length;
  for (const { data } of Object.values(tensors)) file.set(data, at), (at += data.length);
  return file;
}

/**
 * A whole model as a model and a part.
 * @param {Uint8Array} bytes @param {'upscaler' | 'prior'} part @param {string} hash the model's fingerprint
 */
export function split(bytes, part, hash) {
  const { tensors, config } = readFixture(bytes);
  const { [part]: own, ...rest } = config;
  const taken = (wanted) => Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith(`${part}.`) === wanted));
  return { model: writeFixture(taken(false), rest), part: writeFixture(taken(true), { format: 1, part_of: hash, [part]: own }) };
}
