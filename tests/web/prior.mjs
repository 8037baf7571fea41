// A tiny model with a prior: the twin's fixture (4 x 4 tokens of 32 codes, 16x16 pixels, prompts of up to four words).
import { readFileSync } from 'node:fs';

const fixture = (name) => new Uint8Array(readFileSync(new URL(`../fixtures/twin/${name}.safetensors`, import.meta.url)));

/** A model file of the fixtures, its config changed by `edit`. @param {string} name @param {(config: any) => void} [edit] */
export function priorModel(name, edit) {
  const bytes = fixture(name);
  if (!edit) return bytes;
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const config = JSON.parse(header.__metadata__.tesserae);
  edit(config);
  header.__metadata__.tesserae = JSON.stringify(config);
  const text = JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + head.length + bytes.length - 8 - length);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  file.set(bytes.subarray(8 + length), 8 + head.length);
  return file;
}
