// Who is timed: tabs of Chromium and native programs behind one interface:
//     load(task)   run(calls): { wall: [ms], cpu, busiest (of its threads): CPU ms per call }   sample(): numbers   free()   close()

import { fork, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../../scripts/lib/run.mjs';
import { bufferOf } from './cases.mjs';
import { cpuWatch, descendants } from './cpu.mjs';
import { filterLast, sample } from './numbers.mjs';
import { readTensors } from './tensors.mjs';

/** A page of its own in the one browser. */
export class Tab {
    constructor(open, page, options) {
        Object.assign(this, { open, page, options });
    }

    async load(task) {
        this.tab ??= await this.open(this.page);
        await this.tab.evaluate(([t, o]) => window.bench.load(t, o), [task, this.options]);
    }

    async run(calls) {
        const cpu = cpuWatch(descendants('--type=renderer'));
        const wall = await this.tab.evaluate((n) => window.bench.run(n), calls);
        const { all, busiest } = cpu();
        return { wall, cpu: all / calls, busiest: busiest / calls };
    }

    sample = () => this.tab.evaluate(() => window.bench.sample());
    free = () => this.tab.evaluate(() => window.bench.free());

    async close() {
        await this.tab?.close();
        this.tab = null;
    }
}

/** onnxruntime-node in a process of its own. */
export class OrtNode {
    #waiting = new Map();
    #last = 0;

    constructor(options) {
        this.options = options;
    }

    #call(call, ...args) {
        this.child ??= this.#start();
        return new Promise((resolve, reject) => {
            this.#waiting.set(++this.#last, { resolve, reject });
            this.child.send({ id: this.#last, call, args });
        });
    }

    #start() {
        const child = fork(fileURLToPath(new URL('ort-node.mjs', import.meta.url)));
        child.on('message', ({ id, value, error }) => {
            const { resolve, reject } = this.#waiting.get(id);
            this.#waiting.delete(id);
            if (error === undefined) resolve(value);
            else reject(new Error(error));
        });
        child.on('exit', (code) => {
            for (const { reject } of this.#waiting.values()) reject(new Error(`onnxruntime-node ended (${code})`));
        });
        return child;
    }

    load = (task) => this.#call('load', task, this.options);
    run = (calls) => this.#call('run', calls);
    sample = () => this.#call('sample');
    free = () => this.#call('free');

    close() {
        this.child?.kill();
        this.child = null;
    }
}

const program = path.join(root, 'build/native/turn');
function turn(words) {
    const { status, stdout, stderr, error } = spawnSync(program, words.map(String), { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(error?.message ?? stderr);
    return JSON.parse(stdout);
}
const verbs = { encodeLatents: 'latents', decodeLatents: 'unlatents' };

/** Our native build: bench/turn.c, started for each turn; loading the model is not timed. */
export class Native {
    constructor({ threads }) {
        this.threads = threads;
    }

    load(task) {
        const { kind, base, verb, model, shape, pixels } = task;
        this.task = task;
        this.output = `build/bench/${base}.native-${this.threads}`;
        if (kind === 'layer') {
            const weight = readTensors(bufferOf(model)), files = [`${base}.weights`, `${base}.bias`].map((name) => `build/bench/${name}`);
            const { shape: dims, values } = weight(`${task.prefix}.0.weight`);
            [filterLast(values, dims), weight(`${task.prefix}.0.bias`).values].forEach((list, i) => writeFileSync(path.join(root, files[i]), list));
            this.words = ['layer', shape.channels, task.out, shape.height, shape.width, task.kernel, task.input, ...files, this.output];
        } else {
            const size = [pixels.width, pixels.height], file = 'build/bench/photo.tess';
            if (verb === 'decode' && !existsSync(path.join(root, file))) turn(['encode', model, task.rgb, file, ...size]);
            const input = verb === 'decode' ? file : task.tokens ?? task.rgb ?? task.input;
            this.words = [verbs[verb] ?? verb, model, input, this.output, ...size];
        }
    }

    run = (calls) => turn([...this.words, '--threads', this.threads, '--calls', calls]);

    sample() {
        const { kind, verb, out, output } = this.task;
        if (kind === 'photo') return [];
        const bytes = bufferOf(this.output);
        if (kind === 'layer') return sample(new Float32Array(bytes), out);
        return verb === 'encodeLatents' ? sample(new Float32Array(bytes), output.channels) : sample(new Uint8Array(bytes), 3);
    }

    free() {}
    close() {}
}

/** Our native build's rate of multiply-adds in registers. */
export const nativePeak = () => turn(['peak']);

/** Every contestant by its key, in the order in which they take turns; `open`: of withBrowser. */
export function contestants(open) {
    const ours = (options) => new Tab(open, 'ours.html', options);
    return {
        relaxed: ours({ build: 'relaxed' }),
        'ort-web': new Tab(open, 'ort.html', { threads: 1 }),
        tfjs: new Tab(open, 'tfjs.html', { threads: 1 }),
        'ort-node': new OrtNode({ threads: 1 }),
        simd: ours({ build: 'simd' }),
        native: new Native({ threads: 1 }),
        'relaxed 2T': ours({ build: 'relaxed', threads: 2 }),
        'relaxed 2W': ours({ build: 'relaxed', workers: 2 }),
        'relaxed 2C': ours({ build: 'relaxed', copies: 2 }),
        'ort-web 2T': new Tab(open, 'ort.html', { threads: 2 }),
        'tfjs 2T': new Tab(open, 'tfjs.html', { threads: 2 }),
        'ort-node 2T': new OrtNode({ threads: 2 }),
        'native 2T': new Native({ threads: 2 }),
    };
}

/**
 * Who takes part in which kind of row (T: threads, W: workers without shared memory, C: codecs that do the whole task each, side by side:
 * what the machine gives to two workers; one layer alone runs on one thread in a page).
 */
const part = {
    layer: (key) => !/^relaxed 2/.test(key),
    net: (key) => !/ 2[WC]$/.test(key),
    photo: (key) => /^(relaxed|simd|native)( 2T)?$/.test(key),
    pool: (key) => /^relaxed( 2[WC])?$/.test(key),
};
export const chooseFor = (kind, all, wanted) => Object.fromEntries(Object.entries(all).filter(([key]) => part[kind](key) && (!wanted || wanted.includes(key))));
