// A layer of ours in a page: the module of bench/layers.c on this thread. The input lies in its memory and the output stays there.

import { filterLast, sample } from './numbers.mjs';
import { bytes, floats } from './page.mjs';
import { readTensors } from './tensors.mjs';

const WHERE = { x: 0, y: 1, weights: 2, bias: 3 }; // of values() in bench/layers.c

/** The module of a build; what it imports (a notice of memory growth) needs no answer. */
export async function instantiate(buffer) {
    const module = await WebAssembly.compile(buffer), imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
    const { exports } = await WebAssembly.instantiate(module, imports);
    exports._initialize?.();
    return exports;
}

/** Sets a module up for a task with its numbers. */
export function fill(core, { shape: { channels, height, width }, kernel, out, prefix }, x, weight) {
    if (!core.setup(0, channels, out, height, width, kernel, 1, 1, 0)) throw new Error('the layer cannot be set up');
    const put = (where, values) => new Float32Array(core.memory.buffer, core.values(WHERE[where]), values.length).set(values);
    const { shape, values } = weight(`${prefix}.0.weight`);
    put('x', x);
    put('weights', filterLast(values, shape));
    put('bias', weight(`${prefix}.0.bias`).values);
    core.reweigh();
}

/** The output of a module, [height][width][out]. */
export const outputOf = (core, { shape: { height, width }, out }) => new Float32Array(core.memory.buffer, core.values(WHERE.y), height * width * out);

const cores = {};
let core, task;

export async function load(wanted, { build }) {
    task = wanted;
    core = cores[build] ??= await instantiate(await bytes(`build/wasm-${build}/bench-layers.opt.wasm`));
    fill(core, task, await floats(task.input), readTensors(await bytes(task.model)));
}
export const once = () => core.run(1);
export const sampled = () => sample(outputOf(core, task), task.out);
export const free = () => {};

/** The best rate of multiply-adds in registers, GFLOP/s. */
export function peakOf(exports, slices = 30) {
    let best = 0;
    for (let i = 0; i < slices; i++) {
        const start = performance.now(), flops = exports.peak(1e6);
        best = Math.max(best, flops / (performance.now() - start) / 1e6);
    }
    return best;
}
export const peak = async (build) => peakOf(cores[build] ??= await instantiate(await bytes(`build/wasm-${build}/bench-layers.opt.wasm`)));
