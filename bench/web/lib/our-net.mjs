// A net of ours in a page: the package as an application uses it, in its worker; timed with the messages to the worker and back.

import { createCodec } from '../../../dist/index.js';
import { sample } from './numbers.mjs';
import { bytes, floats } from './page.mjs';

let codecs = [], call, output;

async function open({ model }, { build, threads = 1, workers = 1 }) {
    const backend = threads > 1 ? `${build}-threads` : build, wanted = [build === 'simd' ? 'simd128' : build, threads, workers];
    const opened = await createCodec({ model: new Uint8Array(await bytes(model)), cache: false, backend, threads, workers });
    const got = opened.backend, found = [got.build, got.threads, got.workers];
    if (String(found) !== String(wanted)) throw new Error(`the package runs ${found} (build, threads, workers), not ${wanted}: ${got.note}`);
    return opened;
}

/** A call of the codec on the task's input. */
async function caller(made, { verb, shape, pixels, tokens, input, rgb, dim }) {
    const { width: pixelWidth, height: pixelHeight } = pixels;
    const image = rgb && { data: new Uint8Array(await bytes(rgb)), ...pixels, channels: 3 };
    if (verb === 'detokenize') {
        const data = new Uint16Array(await bytes(tokens)), { height, width } = shape;
        return () => made.detokenize({ data, width, height, levels: 1, size: made.codebook.size, pixelWidth, pixelHeight });
    }
    if (verb === 'decodeLatents') {
        const latents = { data: await floats(input), width: shape.width, height: shape.height, dim, pixelWidth, pixelHeight };
        return () => made.decodeLatents(latents);
    }
    if (verb === 'encodeLatents') return () => made.encodeLatents(image);
    if (verb === 'encode') return () => made.encode(image, { quality: 60 });
    const { bytes: file } = await made.encode(image, { quality: 60 });
    return () => made.decode(file.slice());
}

/** `copies` codecs, all of which do the task at one time. */
export async function load(task, { copies = 1, ...options }) {
    const calls = [];
    for (let i = 0; i < copies; i++) {
        codecs.push(await open(task, options));
        calls.push(await caller(codecs[i], task));
    }
    call = async () => (await Promise.all(calls.map((each) => each())))[0];
}
export async function once() {
    output = await call();
}
/** Pixels as bytes (without the alpha that a page wants), latents as they are. */
export function sampled() {
    if (!(output.data instanceof Uint8ClampedArray)) return output.data ? sample(output.data, output.dim) : [];
    return sample(output.data.filter((_, i) => i % 4 < 3), 3);
}
export async function free() {
    for (const codec of codecs.splice(0)) await codec.dispose();
    call = output = null;
}

/** Bytes of WebAssembly memory after one call, on this thread: it only grows, so this is the peak. */
export async function memory(task, options) {
    const real = WebAssembly.instantiate, found = [];
    WebAssembly.instantiate = async (...args) => {
        const made = await real(...args), { exports } = made.instance ?? made;
        found.push(args[1]?.env?.memory ?? exports.memory);
        return made;
    };
    try {
        const made = await open(task, { ...options, workers: 0 });
        await (await caller(made, task))();
        const size = Math.max(...found.filter(Boolean).map((one) => one.buffer.byteLength));
        await made.dispose();
        return size;
    } finally {
        WebAssembly.instantiate = real;
    }
}
