/** A trainer: a worker of its own that steps, and can be paused, changed, looked at and saved between any two steps. */
import { checkBackend, sendable } from './codec.js';
import { coreAdversary, coreLoss, trainerConfig } from './config.js';
import { abortError, TesseraeError, throwIfAborted } from './errors.js';
import { checkOptions, defined } from './options.js';
import { featureBytes, toImageData } from './pixels.js';
import { fromCore } from './tokens.js';

/** Steps per request: how far ahead a function for the learning rate is asked. */
const CHUNK = 1000;
/** A step of a large net takes tens of seconds on a slow device: a trainer's worker may be silent for longer, ms. */
const SILENCE_MS = 300000;
const FIXED_PREVIEWS = 8;
const SEND_BYTES = 8 << 20;
const OPTIONS = [
  'data',
  'validation',
  'init',
  'size',
  'batch',
  'steps',
  'lr',
  'codebook',
  'loss',
  'adversarial',
  'augment',
  'seed',
  'name',
  'licence',
  'trainedOn',
  'width',
  'config',
  'features',
  'workerURL',
  'wasmURL',
  'wasmModule',
  'fetch',
  'timeout',
  'silence',
  'workers',
  'threads',
  'backend',
  'signal',
  'onProgress',
];

const LIVE_ADVERSARIAL = ['weight', 'lr', 'r1', 'lecam', 'features', 'gate'];

/** @typedef {import('./types').TrainerOptions} TrainerOptions */
/** @typedef {import('./codec.js').Platform} Platform */
/** @typedef {(bytes: Uint8Array<ArrayBuffer>) => Promise<import('./types').Model>} MakeModel */

/**
 * Reads a data set whole.
 * @param {import('./types').Dataset | undefined} data
 * @param {Platform} platform
 * @param {Partial<TrainerOptions>} options
 * @param {string} name of the option
 */
async function readAll(data, platform, { signal, fetch: get }, name) {
  const source = /** @type {any} */ (data);
  /** @type {(import('./protocol.js').Pixels & {own: boolean})[]} */
  const pictures = [];
  const add = async (/** @type {any} */ image) => {
    throwIfAborted(signal);
    const pixels = await platform.readImage(image, { signal, fetch: get }).catch((error) => {
      if (error instanceof TesseraeError) error.message = `Picture ${pictures.length} of ${name}: ${error.message}`;
      throw error;
    });
    pictures.push(pixels);
  };
  if (typeof source?.get === 'function' && typeof source.length === 'number') {
    for (let i = 0; i < source.length; i++) await add(await source.get(i));
  } else if (source?.[Symbol.asyncIterator] || (source?.[Symbol.iterator] && typeof source !== 'string')) {
    for await (const image of source) await add(image);
  } else {
    throw new TesseraeError('ERR_INPUT', `${name} must hold pictures: an array, an iterable, or { length, get(i) }.`);
  }
  if (!pictures.length) throw new TesseraeError('ERR_INPUT', `${name} holds no pictures; give at least one.`);
  return pictures;
}

/**
 * @param {Platform} platform
 * @param {Partial<TrainerOptions>} options
 * @param {Uint8Array | undefined} checkpoint to go on from
 * @param {{makeModel: MakeModel, initBytes: () => Promise<Uint8Array | undefined>}} models
 * @returns {Promise<import('./types').Trainer>}
 */
export async function startTrainer(platform, options, checkpoint, { makeModel, initBytes }) {
  checkOptions('createTrainer', options, OPTIONS);
  checkBackend(options);
  const { signal, onProgress } = options;
  throwIfAborted(signal);
  const [data, validation, init, features] = await Promise.all([
    readAll(options.data, platform, options, 'data'),
    options.validation && readAll(options.validation, platform, options, 'validation'),
    initBytes(),
    options.features && featureBytes(options.features),
  ]);
  const held = validation ?? data.slice(0, FIXED_PREVIEWS).map((p) => ({ ...p, own: false }));
  const { channel, backend } = await platform.startWorker({ ...options, silence: options.silence ?? SILENCE_MS }, 'studio');
  const ask = (/** @type {string} */ op, /** @type {any} */ args) => channel.call(op, args, { signal });
  try {
    const start = await ask(
      'trainer.create',
      checkpoint
        ? { checkpoint, features }
        : { config: trainerConfig(/** @type {TrainerOptions} */ (options), data), features },
    );
    if (init) await ask('trainer.init', { bytes: init });
    await addAll(ask, held, true);
    await addAll(ask, data, false);
    if (checkpoint) await ask('trainer.set', { values: liveValues(options) });
    onProgress?.({ status: 'ready', backend });
    return /** @type {any} */ (
      new Trainer(channel, {
        ...start,
        steps: options.steps ?? start.steps,
        backend,
        lr: typeof options.lr === 'function' ? options.lr : undefined,
        previews: held.length,
        makeModel,
      })
    );
  } catch (error) {
    channel.close(error);
    throw error;
  }
}

/**
 * Sends pictures without letting too many pile up on the way.
 * @param {(op: string, args: any) => Promise<any>} ask
 * @param {any[]} pictures
 * @param {boolean} validation
 */
async function addAll(ask, pictures, validation) {
  /** @type {Promise<any>[]} */
  let sent = [];
  let bytes = 0;
  for (const picture of pictures) {
    bytes += picture.data.length;
    sent.push(ask('trainer.add', { ...sendable(picture), validation }));
    if (bytes < SEND_BYTES && sent.length < 256) continue;
    await Promise.all(sent);
    [sent, bytes] = [[], 0];
  }
  await Promise.all(sent);
}

/** What may change between two steps, under the names of the core. @param {Partial<TrainerOptions>} options */
function liveValues({ lr, batch, steps, loss = {}, adversarial }) {
  const rate = typeof lr === 'number' ? lr : undefined; // a function is asked step by step
  /** @type {import('./types').LiveAdversarial} */
  const live = { ...(typeof adversarial === 'object' ? adversarial : {}), ...coreAdversary(loss) };
  const { weight, lr: d_lr, r1, lecam, features, gate } = live;
  return {
    ...defined({ lr: rate, batch, steps, commitment: loss.commitment }),
    ...coreLoss(loss),
    ...defined({ adversarial: weight, d_lr, r1, lecam, features, gate }),
  };
}

/** @typedef {Omit<import('./types').Trainer, 'addEventListener'>} TrainerShape listeners are EventTarget's own */

/** @implements {TrainerShape} */
class Trainer extends EventTarget {
  /** @type {import('./channel.js').Channel} */ #channel;
  /** @type {'idle' | 'running' | 'paused' | 'done' | 'failed'} */ #state;
  /** @type {((step: number) => number) | undefined} */ #lr;
  /** @type {MakeModel} */ #makeModel;
  /**
   * The request that steps now, or the last one.
   * @type {{halt: () => void, ended: Promise<any>} | undefined}
   */
  #stepping;
  /** @type {(() => void) | undefined} */ #wake;
  /** @type {boolean} */ #busy = false;
  #previews = 0;

  /** @param {import('./channel.js').Channel} channel @param {any} start */
  constructor(channel, { step, steps, backend, lr, previews, makeModel }) {
    super();
    this.#channel = channel;
    this.#lr = lr;
    this.#previews = previews;
    this.#makeModel = makeModel;
    this.step = step;
    this.steps = steps;
    this.backend = backend;
    this.#state = step >= steps ? 'done' : 'idle';
  }

  get state() {
    return this.#state;
  }

  /** @param {'idle' | 'running' | 'paused' | 'done' | 'failed'} state */
  #enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }

  /**
   * Steps while it is iterated: `steps` more (default: to the end of the schedule), telling of every `every`th step.
   * Leaving the loop stops the trainer.
   * @param {{steps?: number, every?: number, signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<import('./types').TrainStep, void, void>}
   */
  async *run({ steps = this.steps - this.step, every = 1, signal } = {}) {
    for (const [name, value] of Object.entries({ steps, every })) {
      if (!Number.isInteger(value) || value < (name === 'every' ? 1 : 0))
        throw new TesseraeError(
          'ERR_OPTION',
          `${name} is ${value}; it must be a whole number${name === 'every' ? ' from 1 up' : ''}.`,
        );
    }
    if (this.#busy) throw new TesseraeError('ERR_STATE', 'The trainer is running already; leave that loop first.');
    if (!this.#channel.open) throw this.#channel.reason;
    throwIfAborted(signal);
    this.#busy = true;
    this.#enter('running');
    /** @type {import('./types').TrainStep[]} */
    const ready = [];
    let news = () => {};
    const last = Math.min(this.step + steps, this.steps);
    const wake = () => {
      this.#stepping?.halt();
      this.#wake?.();
    };
    signal?.addEventListener('abort', wake);
    try {
      while (this.step < last) {
        if (!this.#channel.open) throw this.#channel.reason;
        throwIfAborted(signal);
        if (this.state === 'paused') {
          await new Promise((resolve) => {
            this.#wake = () => resolve(undefined);
          });
          continue;
        }
        const ended = this.#begin(Math.min(last - this.step, CHUNK), every, (figures) => {
          ready.push(figures);
          news();
        });
        let running = true;
        ended
          .catch(() => {})
          .then(() => {
            running = false;
            news();
          });
        while (running || ready.length) {
          const next = ready.shift();
          if (next) yield next;
          else
            await new Promise((resolve) => {
              news = () => resolve(undefined);
            });
        }
        await ended;
      }
    } catch (error) {
      if (error !== signal?.reason && error?.name !== 'AbortError') this.#enter('failed');
      throw error;
    } finally {
      signal?.removeEventListener('abort', wake);
      await this.#halt();
      this.#busy = false;
      if (this.#state !== 'failed') this.#enter(this.step >= this.steps ? 'done' : 'idle');
    }
  }

  /**
   * Asks the worker for a number of steps.
   * @param {number} steps
   * @param {number} every
   * @param {(figures: import('./types').TrainStep) => void} tell
   */
  #begin(steps, every, tell) {
    const schedule = this.#lr;
    const call = this.#channel.call(
      'trainer.run',
      { steps, every, lr: schedule && Float64Array.from({ length: steps }, (_, i) => schedule(this.step + i)) },
      {
        onProgress: (figures) => {
          this.step = figures.step;
          tell(figures);
          this.dispatchEvent(new CustomEvent('step', { detail: figures }));
        },
      },
    );
    const ended = call.then(({ step }) => {
      this.step = step;
    });
    this.#stepping = {
      ended,
      halt: () => {
        this.#channel.call('trainer.stop', {}).catch(() => {});
      },
    };
    return ended;
  }

  /** Stops stepping; resolves when no step is under way. */
  async #halt() {
    this.#stepping?.halt();
    await this.#stepping?.ended.catch(() => {});
  }

  /** Resolves when no step is under way; the loop over run() waits until resume(). */
  async pause() {
    if (this.#state !== 'running') return;
    this.#enter('paused');
    await this.#halt();
  }

  async resume() {
    if (this.#state !== 'paused') return;
    this.#enter('running');
    this.#wake?.();
  }

  /** @type {TrainerShape['set']} */
  set(options) {
    checkOptions('set', options, ['lr', 'batch', 'steps', 'loss', 'adversarial']);
    checkOptions('set: adversarial', options.adversarial, LIVE_ADVERSARIAL);
    if (options.lr !== undefined) {
      this.#lr = typeof options.lr === 'function' ? options.lr : undefined;
      this.#stepping?.halt(); // its rates were asked for in advance; run() goes on with the new ones
    }
    if (options.steps !== undefined) {
      this.steps = options.steps;
      if (this.#state === 'done' && this.step < this.steps) this.#enter('idle');
    }
    this.#change(liveValues(options));
  }

  restartCodes() {
    this.#change({ restart_codes: 1 });
  }

  /** @param {Record<string, number>} values under the names of the core */
  #change(values) {
    this.#channel
      .call('trainer.set', { values })
      .catch((error) => this.dispatchEvent(Object.assign(new Event('error'), { error })));
  }

  /** @param {number} [n] */
  async preview(n = FIXED_PREVIEWS) {
    const pictures = await this.#channel.call('trainer.preview', { count: Math.max(0, Math.min(n, this.#previews)) });
    return pictures.map((/** @type {any} */ p) => ({
      input: toImageData(p.input),
      output: toImageData(p.output),
      tokens: fromCore(p.tokens),
    }));
  }

  /** @param {number} [level] @returns {Promise<Uint32Array>} */
  usage(level = 0) {
    return this.#channel.call('trainer.usage', { level });
  }
  /** @returns {Promise<Uint8Array<ArrayBuffer>>} */
  checkpoint() {
    return this.#channel.call('trainer.checkpoint', {});
  }
  async model() {
    return this.#makeModel(await this.#channel.call('trainer.model', { half: false }));
  }

  async dispose() {
    this.#channel.close(abortError('The trainer was disposed of.'));
    this.#wake?.();
    await this.#stepping?.ended.catch(() => {});
  }

  async [Symbol.asyncDispose]() {
    await this.dispose();
  }
}
