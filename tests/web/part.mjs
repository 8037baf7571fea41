// A tiny model in two files: the twin's fixture (tests/fixtures/twin/upscaler) taken apart into a model and the part that belongs to it.
import { readFileSync } from 'node:fs';
import { loadModel } from '../../dist/node.js';

/** A safetensors file of some of another's tensors. @param {Uint8Array} bytes @param {(name: string) => boolean} takes @param {(config: any) => any} edit of __metadata__.tesserae */
function extract(bytes, takes, edit) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: { tesserae }, ...tensors } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const header = { __metadata__: { tesserae: JSON.stringify(edit(JSON.parse(tesserae))) } };
  const parts = [];
  let at = 0;
  for (const [name, { data_offsets: [from, to], ...shape }] of Object.entries(tensors)) {
    if (!takes(name)) continue;
    header[name] = { ...shape, data_offsets: [at, at + to - from] };
    parts.push(bytes.subarray(8 + length + from, 8 + length + to));
    at += to - from;
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8)), size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([size, head, ...parts]);
}

/** { model, part }: files whose net enlarges by 2 and by 4, with 16 codes in 3 levels. */
export async function upscalerParts() {
  const whole = new Uint8Array(readFileSync(new URL('../fixtures/twin/upscaler.safetensors', import.meta.url)));
  const ofPart = (name) => name.startsWith('upscaler.');
  const model = extract(whole, (name) => !ofPart(name), ({ upscaler, ...config }) => config);
  const { info } = await loadModel(new Uint8Array(model));
  const part = extract(whole, ofPart, ({ upscaler }) => ({ format: 1, part_of: info.hash, upscaler }));
  return { model, part };
}
