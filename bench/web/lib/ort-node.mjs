// onnxruntime-node in a process of its own: messages { id, call, args } in, { id, value | error } out. The calls are those of
// pages/ort.html; run() gives CPU milliseconds too.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { sample, transpose } from './numbers.mjs';
import { timed } from './page.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let session, feeds, output;
const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const calls = {
    async load({ onnx, input, shape: { channels, height, width } }, { threads }) {
        session = await ort.InferenceSession.create(path.join(root, onnx), { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
        const file = readFileSync(path.join(root, input)), x = new Float32Array(file.buffer, file.byteOffset, file.length / 4);
        feeds = { x: new ort.Tensor('float32', transpose(x, height * width, channels), [1, channels, height, width]) };
    },
    async run(count) {
        const before = cpuMs();
        const wall = await timed(count, async () => { output = Object.values(await session.run(feeds))[0]; });
        return { wall, cpu: (cpuMs() - before) / count };
    },
    sample: () => sample(output.data, output.dims[1], true),
    async free() {
        await session.release();
        session = feeds = output = null;
    },
};

process.on('message', async ({ id, call, args }) => {
    try {
        process.send({ id, value: await calls[call](...args) });
    } catch (error) {
        process.send({ id, error: error.message });
    }
});
