/** Pictures that a model's prior makes up: one run of the sampler, its steps as they come, the pictures at its end. */
import { TesseraeError, throwIfAborted } from './errors.js';
import { checkOptions } from './options.js';
import { fromCore, tokenGrid } from './tokens.js';

const OPTIONS = [
  'signal',
  'onProgress',
  'prompt',
  'label',
  'count',
  'seed',
  'steps',
  'temperature',
  'topK',
  'topP',
  'guidance',
  'order',
  'condition',
  'keep',
];
const ORDERS = ['halton', 'confidence'];
const MOST = 10000;

/** @typedef {import('./types').GenerateOptions} GenerateOptions */
/** @typedef {import('./types').GenerateStep} Step */
/** @typedef {import('./types').Generation} Shape */
/**
 * What a codec does for it: `sample` calls the worker that holds the sampler, `paint` decodes tokens.
 * @typedef {{sample: (args: any, options: import('./channel.js').CallOptions) => Promise<void>,
 *   paint: (tokens: import('./types').TokenGrid, options: {signal?: AbortSignal}) => Promise<ImageData>}} Means
 */

/** @implements {Shape} */
export class Generation {
  /** @type {Step[]} all steps so far */ #steps = [];
  /** @type {Promise<void> | undefined} */ #running;
  /** @type {Promise<ImageData[]> | undefined} */ #pictures;
  /** @type {() => void} */ #wake = () => {};
  /** @type {Promise<void>} resolves with the next step, or at the end */ #news = Promise.resolve();
  #ended = false;
  #left = new AbortController();
  /** @type {GenerateOptions} */ #options;
  /** @type {import('./types').ModelInfo} */ #model;
  /** @type {Means} */ #means;

  /** @param {GenerateOptions} options @param {import('./types').ModelInfo} model @param {Means} means */
  constructor(options, model, means) {
    this.#options = options;
    this.#model = model;
    this.#means = means;
  }

  /** Starts the sampler when first asked: by a loop or by an await. */
  #start() {
    if (this.#running) return this.#running;
    this.#turn();
    this.#running = this.#run().finally(() => {
      this.#ended = true;
      this.#wake();
    });
    this.#running.catch(() => {}); // whoever waits for it hears of it
    return this.#running;
  }

  /** Lets those go on that wait for news. */
  #turn() {
    this.#wake();
    this.#news = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #run() {
    const args = samplerArgs(this.#options, this.#model);
    const { signal, onProgress } = this.#options;
    const stop = this.#left;
    const abort = () => stop.abort(signal?.reason);
    throwIfAborted(signal);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await this.#means.sample(args, {
        signal: stop.signal,
        onProgress: ({ sample, ...progress }) => {
          this.#steps.push(this.#stepOf(sample));
          this.#turn();
          onProgress?.(progress);
        },
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** @param {any} step as the core tells of it @returns {Step} */
  #stepOf({ tokens, ...step }) {
    const grid = fromCore(tokens);
    return { ...step, tokens: grid, preview: () => this.#paint(grid) };
  }

  /** @param {import('./types').TokenGrid} tokens */
  #paint(tokens) {
    return this.#means.paint(tokens, { signal: this.#options.signal });
  }

  /** Every step from the first on, however late one starts to listen. Leaving the loop ends the sampler.
   * @returns {AsyncGenerator<Step, void, void>} */
  async *[Symbol.asyncIterator]() {
    const running = this.#start();
    try {
      for (let at = 0; at < this.#steps.length || !this.#ended; ) {
        if (at < this.#steps.length) yield this.#steps[at++];
        else await this.#news;
      }
      await running;
    } finally {
      this.#left.abort();
    }
  }

  /**
   * @template A, B
   * @param {((pictures: ImageData[]) => A | PromiseLike<A>) | null} [done]
   * @param {((reason: any) => B | PromiseLike<B>) | null} [failed]
   * @returns {Promise<A | B>}
   */
  then(done, failed) {
    this.#pictures ??= this.#start().then(() => {
      const last = this.#steps.filter(({ done: at, total }) => at === total);
      return Promise.all(last.map(({ tokens }) => this.#paint(tokens)));
    });
    return this.#pictures.then(/** @type {any} */ (done), failed);
  }
}

/** @param {string} name of the model */
const noGenerator = (name) =>
  new TesseraeError(
    'ERR_MODEL',
    `The model "${name}" has no prior, so it can make nothing up. Take one whose model.tasks has "generate" ("avatars"), or train a prior for it.`,
  );

/**
 * What a picture is to show, checked against the prior that is asked: prompt, and options under the names of the core.
 * @param {Pick<GenerateOptions, 'prompt' | 'label' | 'guidance'>} options @param {import('./types').ModelInfo} model
 */
export function conditionOf({ prompt = '', label, guidance = 0 }, { name, prior }) {
  if (!prior) throw noGenerator(name);
  const wrong = (/** @type {string} */ said) => new TesseraeError('ERR_OPTION', said);
  if (prompt && !prior.text)
    throw wrong(
      `The prior of "${name}" knows no words; leave the prompt out${prior.classes ? ` and give a label from 0 to ${prior.classes - 1}` : ''}.`,
    );
  if (label !== undefined && !prior.classes)
    throw wrong(`The prior of "${name}" knows no classes; leave the label out${prior.text ? ' and give a prompt' : ''}.`);
  if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < prior.classes))
    throw wrong(`label is ${label}; it must be a whole number from 0 to ${prior.classes - 1}.`);
  return { prompt, prior, options: { guidance, class: label ?? -1 } };
}

/** Checked options as the core's side takes them. @param {GenerateOptions} options @param {import('./types').ModelInfo} model */
function samplerArgs(options, model) {
  checkOptions('generate', options, OPTIONS);
  const { prompt, prior, options: condition } = conditionOf({ ...options, guidance: options.guidance ?? 1 }, model);
  if (!prior.grid) throw noGenerator(model.name);
  const { factor, codebook } = model;
  const { count = 1, seed = 1, order = 'confidence', keep } = options;
  const { steps = 12, temperature = 1, topK: top_k = 0, topP: top_p = 1 } = options;
  const wrong = (/** @type {string} */ said) => new TesseraeError('ERR_OPTION', said);
  if (!Number.isInteger(count) || count < 1 || count > MOST)
    throw wrong(`count is ${count}; it must be a whole number from 1 to ${MOST}.`);
  if (!ORDERS.includes(order)) throw wrong(`order is "${order}"; it must be "halton" or "confidence".`);
  const [height, width] = prior.grid;
  const grid = { width, height, pixelWidth: width * factor, pixelHeight: height * factor };
  return {
    count,
    seed,
    prompt,
    options: { ...condition, steps, temperature, top_k, top_p, order: ORDERS.indexOf(order) },
    grid,
    given: givenTokens(options.condition, keep, { ...grid, size: codebook.size }),
  };
}

/**
 * The tokens that stay as they are.
 * @param {GenerateOptions['condition']} condition @param {GenerateOptions['keep']} keep
 * @param {import('./protocol.js').Grid & {size: number}} grid of the prior
 */
function givenTokens(condition, keep, { width, height, pixelWidth, pixelHeight, size }) {
  if (!condition && !keep) return undefined;
  if (!condition || !keep)
    throw new TesseraeError(
      'ERR_OPTION',
      'condition (tokens) and keep (a mask: which of them stay) go together; give both or neither.',
    );
  const tokens = tokenGrid(condition);
  if (tokens.width !== width || tokens.height !== height || tokens.levels !== 1 || tokens.size !== size)
    throw new TesseraeError(
      'ERR_INPUT',
      `condition has ${tokens.levels} x ${tokens.height} x ${tokens.width} tokens of ${tokens.size} codes, the prior makes 1 x ${height} x ${width} of ${size}: give this model's tokens of a picture of ${pixelWidth}x${pixelHeight} pixels.`,
    );
  if (keep.length !== width * height)
    throw new TesseraeError('ERR_INPUT', `keep has ${keep.length} values; it needs one for each of the ${width * height} tokens, row by row.`);
  return { tokens: tokens.data, keep: Uint8Array.from(keep, (kept) => (kept ? 1 : 0)) };
}
