// Reads .safetensors bytes of float16 or float32 tensors: name -> { shape, values (float32) }.

import { fromHalves } from './numbers.mjs';
import { tamingName } from './taming.mjs';

/** From names of our files to those of a family of checkpoints. */
export const names = { ours: (name) => name, taming: tamingName };

/** @param {ArrayBuffer} buffer @param {keyof typeof names} [family] @returns {(name: string) => { shape: number[], values: Float32Array }} throws for a name that is not there */
export function readTensors(buffer, family = 'ours') {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    return (ours) => {
        const name = names[family](ours);
        if (!header[name]) throw new Error(`the model has no tensor ${name}`);
        const { dtype, shape, data_offsets: [from, to] } = header[name], bytes = buffer.slice(8 + length + from, 8 + length + to);
        return { shape, values: dtype === 'F16' ? fromHalves(new Uint16Array(bytes)) : new Float32Array(bytes) };
    };
}
