// Model files of random float16 weights: made once under build/bench, read by every runtime.

import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { randomFloats, seedOf, toHalves } from './numbers.mjs';
import { survey } from './nets.mjs';
import { names } from './tensors.mjs';

/** Values of one tensor: filters keep their input's variance, norms scale by about 1. */
function values({ name, shape, kind, gain = 1 }) {
    const count = shape.reduce((a, b) => a * b, 1), seed = seedOf(name);
    if (kind === 'filter') return randomFloats(count, gain * Math.sqrt(3 / (count / shape[0])), seed);
    const spread = randomFloats(count, kind === 'codes' ? Math.sqrt(3) : 0.1, seed);
    return kind === 'gamma' ? spread.map((v) => 1 + v) : spread;
}

/** The bytes of a .safetensors file: [{ name, shape, halves }], and metadata. */
export function safetensors(tensors, metadata) {
    let offset = 0;
    const header = { __metadata__: metadata };
    for (const { name, shape, halves } of tensors) header[name] = { dtype: 'F16', shape, data_offsets: [offset, (offset += halves.byteLength)] };
    const text = Buffer.from(JSON.stringify(header)), pad = (8 - (text.length % 8)) % 8, length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length + pad));
    return Buffer.concat([length, text, Buffer.alloc(pad, ' '), ...tensors.map(({ halves }) => Buffer.from(halves.buffer))]);
}

/**
 * Writes build/bench/<name>.safetensors for a config unless it is there, as a model of ours or as a checkpoint of another family;
 * `gains`: by tensor name. Returns the path.
 */
export function makeModel(folder, config, gains = {}, family = 'ours') {
    const { name } = config, file = path.join(folder, `${name}.safetensors`);
    if (existsSync(file)) return file;
    const { dim, size, type } = config.quantizer;
    const encoder = survey(config.encoder, { channels: 3, height: 256, width: 256 }, 'encoder');
    const decoder = survey(config.decoder, { channels: dim, ...size2(encoder.output) }, 'decoder');
    const list = [...encoder.tensors, ...decoder.tensors];
    if (type === 'vq') list.push({ name: 'quantizer.codebook', shape: family === 'ours' ? [1, size, dim] : [size, dim], kind: 'codes' });
    const tensors = list.map((t) => ({ ...t, halves: toHalves(values({ ...t, gain: gains[t.name] ?? gains[t.name.split('.').at(-2)] })) }));
    mkdirSync(folder, { recursive: true });
    const metadata = family === 'ours' ? { tesserae: JSON.stringify(config) } : { format: 'pt' };
    writeFileSync(`${file}.part`, safetensors(tensors.map((t) => ({ ...t, name: names[family](t.name) })), metadata));
    renameSync(`${file}.part`, file);
    return file;
}

const size2 = ({ height, width }) => ({ height, width });
