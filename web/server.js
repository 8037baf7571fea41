/**
 * The core's side of the protocol: answers requests over one core. Runs in a worker or, as the last resort, on the
 * caller's own thread. Long jobs let waiting messages in every few tens of milliseconds, so that a cancel is seen.
 */
import { Core } from './core.js';
import { hire } from './crew.js';
import { TesseraeError, toWire } from './errors.js';
import { inpaint } from './inpainter-core.js';
import { OPS } from './protocol.js';
import * as sampler from './sampler-core.js';
import * as trainer from './trainer-core.js';
import { upscale } from './upscaler-core.js';
import { checkStudio, hasRelaxed, modules, whyAlone } from './wasm.js';

const SLICE_MS = 30;
const AUTO_THREADS = 8;

/**
 * @param {{post: (message: any, transfer?: any[]) => void, readBytes: import('./wasm.js').ReadBytes,
 *   urls: () => import('./protocol.js').WasmURLs, cores?: () => number, spawn?: import('./crew.js').Spawn}} host
 *   `urls` names the builds that lie beside this file, `spawn` starts a helper where workers may have workers
 * @returns {(message: any) => void} to be called with every message that comes
 */
export function serve({ post, readBytes, urls, cores, spawn }) {
  /** @type {Core | undefined} */
  let core;
  /** @type {Map<number, {cancelled: boolean}>} */
  const jobs = new Map();
  /** @type {Promise<unknown>} */
  let queue = Promise.resolve();

  /** @type {Record<string, (args: any) => any>} */
  const handlers = {
    /** @param {import('./protocol.js').InitArgs} args */
    async init(args) {
      const { threads = 'auto', workers = 1 } = args;
      const most = threads === 'auto' ? Math.min(cores?.() ?? 1, AUTO_THREADS) / workers : threads;
      const alone = most < 2 ? ' ' : spawn ? whyAlone() : 'one thread: workers cannot have workers here';
      const notes = new Set(most < 2 ? [] : [alone]);
      if (args.backend?.startsWith('relaxed') && !hasRelaxed()) notes.add('no relaxed SIMD here');
      let failure;
      for (const { build, module } of modules(args, urls, readBytes, alone)) {
        try {
          const compiled = await module();
          if (args.kind === 'studio') checkStudio(compiled, args.wasmURL);
          const made = await Core.create(compiled);
          if (spawn && !alone && made.shared) made.threads += await hire(made, compiled, Math.floor(most) - 1, spawn);
          core = made;
          break;
        } catch (error) {
          if (error.code === 'ERR_CSP') throw error;
          failure = error;
          notes.add(`${build}: ${error.message}`);
        }
      }
      if (!core) throw failure;
      return { build: core.build, threads: core.threads, note: [...notes].filter(Boolean).join('; ') || undefined };
    },
    ...Object.fromEntries(
      Object.entries(table).map(([op, run]) => [
        op,
        (/** @type {any} */ args) => {
          if (!core) throw new TesseraeError('ERR_STATE', `"${op}" came before "init".`);
          return run(core, args);
        },
      ]),
    ),
  };

  /** Runs a generator to its end, reporting at its end and each slice's, and whenever there is more than plain progress.
   * @param {number} id @param {{cancelled: boolean}} job @param {Generator<any, any>} steps */
  async function drive(id, job, steps) {
    let slice = performance.now();
    /** What the last step said, while nobody has heard it. @type {any} */
    let last;
    for (;;) {
      const { done, value } = steps.next();
      if (done) {
        if (last) post({ id, progress: last });
        return value;
      }
      const pause = performance.now() - slice > SLICE_MS;
      const moved = value?.tile?.pixels.data.buffer ?? value?.sample?.tokens.data.buffer;
      if (value) last = value;
      if (value && (pause || value.status !== 'work' || moved)) {
        post({ id, progress: value }, moved ? [moved] : []);
        last = undefined;
      }
      if (!pause) continue;
      await nextTurn();
      if (job.cancelled) {
        steps.return(undefined);
        throw cancelled();
      }
      slice = performance.now();
    }
  }

  /** @param {import('./protocol.js').Request} request @param {{cancelled: boolean}} job */
  async function answer({ id, op, args }, job) {
    try {
      if (job.cancelled) throw cancelled();
      const handler = handlers[op];
      if (!handler)
        throw new TesseraeError(
          'ERR_WORKER',
          `The worker knows no "${op}": it is of another version than the page's script. Reload the page.`,
        );
      let value = handler(args);
      value = typeof value?.next === 'function' ? await drive(id, job, value) : await value;
      post({ id, value }, OPS[op].returns(value));
    } catch (error) {
      post({ id, error: toWire(error) });
    } finally {
      jobs.delete(id);
    }
  }

  return (message) => {
    if (message.ping) return post({ pong: true });
    if (message.cancel !== undefined) {
      const job = jobs.get(message.cancel);
      if (job) job.cancelled = true;
      return;
    }
    const job = { cancelled: false };
    jobs.set(message.id, job);
    if (OPS[message.op]?.serial) queue = queue.then(() => answer(message, job));
    else answer(message, job);
  };
}

/** @type {Record<string, (core: Core, args: any) => any>} */
const table = {
  load: (core, { bytes }) => core.load(bytes),
  add: (core, { bytes }) => core.add(bytes),
  inspect: (core, args) => core.inspect(args),
  encode: (core, args) => core.encode(args),
  tokenize: (core, args) => core.tokenize(args),
  decode: (core, args) => core.decode(args),
  tokens: (core, args) => core.tokens(args),
  bits: (core, args) => core.bits(args),
  detokenize: (core, args) => core.detokenize(args),
  encodeLatents: (core, args) => core.encodeLatents(args),
  decodeLatents: (core, args) => core.decodeLatents(args),
  encodeGrid: (core, args) => core.encodeGrid(args),
  sample: (core, args) => sampler.sample(core, args),
  alternatives: (core, args) => sampler.alternatives(core, args),
  interpolate: (core, args) => sampler.interpolate(core, args),
  inpaint: (core, args) => inpaint(core, args),
  upscale: (core, args) => upscale(core, args),
  tiles: (core, args) => core.tiles(args),
  compare: (core, args) => core.compare(args),
  'trainer.create': (core, args) => trainer.createTrainer(core, args),
  'trainer.init': (core, { bytes }) => trainer.initTrainer(core, bytes),
  'trainer.add': (core, { pixels, validation }) => trainer.addImage(core, pixels, validation),
  'trainer.run': (core, args) => {
    core.stopping = false;
    return trainer.train(core, args, () => core.stopping);
  },
  'trainer.stop': (core) => {
    core.stopping = true;
  },
  'trainer.set': (core, { values }) => {
    for (const option of Object.keys(values)) core.set('trainer', option, values[option]);
  },
  'trainer.preview': (core, { count }) => trainer.preview(core, count),
  'trainer.usage': (core, { level }) => trainer.usage(core, level),
  'trainer.checkpoint': (core) => trainer.checkpoint(core),
  'trainer.model': (core, { half }) => trainer.trainedModel(core, half),
};

const cancelled = () => new TesseraeError('ERR_STATE', 'The call was cancelled.');

/** Resolves after the messages that are waiting now. @returns {Promise<void>} */
function nextTurn() {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') return void setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
