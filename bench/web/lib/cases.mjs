// What is timed: rows with their nets, inputs and bars. prepare(row) makes the files that every runtime reads, once, under build/bench.

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../../scripts/lib/run.mjs';
import { filterLast, fromHalves, randomFloats, samplePlaces, seedOf, toHalves } from './numbers.mjs';
import { survey, taesd, vqgan } from './nets.mjs';
import { onnx } from './onnx.mjs';
import { readTensors } from './tensors.mjs';
import { makeModel, safetensors } from './weights.mjs';

const folder = path.join(root, 'build/bench');

/** [in, out, size, kernel, bar]: the bar is how many times as fast as the faster WebAssembly peer the relaxed build is to be. */
const layers = [
    [128, 128, 256, 3, 3.3], [256, 256, 64, 3, 3.3], [512, 512, 16, 3, 3.3], [64, 64, 128, 3, 3.3], [32, 32, 256, 3, 2.8], [3, 64, 256, 3, 1.5],
    [256, 256, 64, 1, 1.5], [512, 512, 16, 1, 1.5],
].map(([channels, out, size, kernel, bar]) => ({
    kind: 'layer', name: `${kernel}x${kernel} ${channels}->${out} @${size}`, list: [{ op: 'conv', out, kernel }], prefix: 'layer',
    shape: { channels, height: size, width: size }, kernel, out, bars: { peer: bar, native: 1.8 },
}));

const nets = [
    {
        kind: 'net', name: 'VQGAN f16 decoder 256x256', verb: 'detokenize', config: vqgan, family: 'taming', part: 'decoder', shape: { channels: 256, height: 16, width: 16 },
        pixels: { width: 256, height: 256 }, bars: { 'ort-web': 4, tfjs: 3.5, 'ort-node': 1, 'simd:ort-web': 3, threads: 1.8, busiest: 1.8, native: 1.8 },
    },
    {
        kind: 'net', name: 'VQGAN f16 encoder 256x256', verb: 'encodeLatents', config: vqgan, family: 'taming', part: 'encoder', shape: { channels: 3, height: 256, width: 256 },
        pixels: { width: 256, height: 256 }, bars: { native: 1.8 },
    },
    {
        kind: 'net', name: 'TAESD decoder 256x256', verb: 'decodeLatents', config: taesd, part: 'decoder', shape: { channels: 4, height: 32, width: 32 },
        pixels: { width: 256, height: 256 }, bars: { peer: 3.5, native: 1.8 },
    },
];

const photo = ['encode', 'decode'].flatMap((verb) => [
    { kind: 'photo', name: `photo model ${verb} 768x512`, verb, pixels: { width: 768, height: 512 }, bars: { ms: verb === 'encode' ? 300 : 250, native: 1.8 } },
    { kind: 'pool', name: `photo model ${verb} 2048x1536`, verb, pixels: { width: 2048, height: 1536 }, bars: { pool: 1.75, poolBusiest: 1.75, poolShare: 0.9 } },
]);

export const rows = [...layers, ...nets, ...photo];

/** So that random weights give pictures that use their range: the last convolution, and the residual branches, are turned down. */
const gains = {
    'bench-vqgan-f16': { conv2: 0.5, proj: 0.5, 'decoder.32.weight': 0.5 },
    'bench-taesd': { conv1: 1.4, conv2: 1.4, conv3: 0.5, 'decoder.19.weight': 0.2 },
};

const once = (name, make) => {
    const file = path.join(folder, name);
    if (!existsSync(file)) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(file, make());
    }
    return `build/bench/${name}`;
};
/** The bytes of a file of the checkout, by its path from the root, as an ArrayBuffer of its own. */
export const bufferOf = (file) => {
    const data = readFileSync(path.join(root, file));
    return data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
};
const raw = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A smooth, busy picture, RGB. */
export function picture(width, height) {
    const data = new Uint8Array(width * height * 3);
    for (let y = 0, i = 0; y < height; y++) {
        for (let x = 0; x < width; x++, i += 3) {
            data[i] = 128 + 90 * Math.sin(x / 17 + y / 90);
            data[i + 1] = 128 + 90 * Math.sin(y / 13 - x / 70);
            data[i + 2] = (x ^ y) & 255;
        }
    }
    return data;
}

function layerFiles(row) {
    const { list, shape: { channels, height, width }, kernel, out } = row, base = `${kernel}x${kernel}-${channels}-${out}-${height}`;
    const model = once(`${base}.safetensors`, () => safetensors(survey(list, row.shape, row.prefix).tensors.map(({ name, shape, kind }) => {
        const count = shape.reduce((a, b) => a * b, 1);
        return { name, shape, halves: toHalves(randomFloats(count, kind === 'filter' ? Math.sqrt((3 * out) / count) : 0.1, seedOf(base + name))) };
    }), {}));
    return { base, model, input: once(`${base}.input`, () => raw(randomFloats(channels * height * width, 1, seedOf(base)))) };
}

/** The input of a net, as its runtimes take it: tokens or pixels for ours, and the floats that those stand for. */
function netFiles({ config, family, part, verb, shape: { channels, height, width }, pixels, name }) {
    const base = name.replaceAll(' ', '-').toLowerCase(), count = channels * height * width;
    const model = path.relative(root, makeModel(folder, config, gains[config.name], family));
    if (part === 'encoder') {
        const rgb = once(`${base}.rgb`, () => picture(pixels.width, pixels.height));
        return { base, model, rgb, input: once(`${base}.input`, () => raw(Float32Array.from(readFileSync(path.join(root, rgb)), (v) => v / 127.5 - 1))) };
    }
    if (verb !== 'detokenize') return { base, model, input: once(`${base}.input`, () => raw(randomFloats(count, 2, 5))) };
    const { size } = config.quantizer;
    const tokens = Uint16Array.from(randomFloats(height * width, 0.5, 3), (v) => Math.min(size - 1, Math.floor((v + 0.5) * size)));
    const latents = () => {
        const { values } = readTensors(bufferOf(model), family)('quantizer.codebook');
        return raw(Float32Array.from({ length: count }, (_, i) => values[tokens[Math.floor(i / channels)] * channels + (i % channels)]));
    };
    return { base, model, tokens: once(`${base}.tokens`, () => raw(tokens)), input: once(`${base}.input`, latents) };
}

/** Makes the files of a row that are not there yet; returns the task that contestants load (plain data, paths from the root). */
export function prepare(row) {
    if (row.kind === 'photo' || row.kind === 'pool') {
        const { width, height } = row.pixels;
        return { ...row, model: 'models/photo.safetensors', rgb: once(`photo-${width}.rgb`, () => picture(width, height)), base: `photo-${row.verb}` };
    }
    const files = row.kind === 'layer' ? layerFiles(row) : netFiles(row);
    const { list = row.config[row.part], prefix = row.part, shape, config, ...rest } = row;
    const weights = () => readTensors(bufferOf(files.model), row.family);
    const made = once(`${files.base}.onnx`, () => onnx(list, shape, prefix, weights()));
    const { macs, output } = survey(list, shape, prefix);
    return { ...rest, ...files, list, prefix, shape, onnx: made, macs, output, dim: config?.quantizer.dim };
}

/** Samples of a layer's output in double precision. */
export function exactSamples({ model, input, prefix, shape: { channels, height, width }, kernel, out }) {
    const weight = readTensors(bufferOf(model)), x = new Float32Array(bufferOf(input)), pad = (kernel - 1) / 2;
    const { shape, values } = weight(`${prefix}.0.weight`), filter = filterLast(values, shape), bias = weight(`${prefix}.0.bias`).values;
    return samplePlaces(out * height * width).map((place) => {
        const o = place % out, pixel = Math.floor(place / out), py = Math.floor(pixel / width), px = pixel % width;
        let sum = bias[o];
        for (let ky = 0; ky < kernel; ky++) {
            for (let kx = 0; kx < kernel; kx++) {
                const y = py + ky - pad, sx = px + kx - pad;
                if (y < 0 || y >= height || sx < 0 || sx >= width) continue;
                for (let c = 0; c < channels; c++) sum += x[(y * width + sx) * channels + c] * filter[((ky * kernel + kx) * channels + c) * out + o];
            }
        }
        return sum;
    });
}
