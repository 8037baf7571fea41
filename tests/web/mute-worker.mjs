// A worker that starts, takes a model, and then never says a word again.
import { parentPort } from 'node:worker_threads';
import { version } from '../../dist/node.js';

const info = { factor: 4, levels: 1, codebook: { size: 2, dim: 1 }, hash: '0', reads: [], tasks: [] };
const values = { init: { build: 'none', threads: 1 }, load: { info, codebooks: [new Float32Array(2)] } };
parentPort.on('message', ({ id, op }) => values[op] && parentPort.postMessage({ id, value: values[op] }));
parentPort.postMessage({ hello: version });
