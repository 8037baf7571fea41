/** A codec: one model on one or more workers. */
import { Codebook } from './codebook.js';
import { Client } from './client.js';
import { abortError, TesseraeError, throwIfAborted } from './errors.js';
import { readInfo, rememberModel } from './format.js';
import { conditionOf, Generation } from './generation.js';
import { checkInpainting, inpaintingOf } from './inpainting.js';
import { countParts } from './model.js';
import { checkOptions, defined } from './options.js';
import { Parts } from './part.js';
import { copyOf, toBytes, toImageData } from './pixels.js';
import { Pool } from './pool.js';
import { fromCore, tokenGrid } from './tokens.js';
import { BUILDS } from './wasm.js';

/**
 * What index.js and node.js differ in.
 * @typedef {{
 *   startWorker: (options: import('./types').LoadOptions, kind?: import('./protocol.js').CoreKind) =>
 *     Promise<import('./client.js').Started>,
 *   readImage: (input: import('./types').ImageInput, options?: {signal?: AbortSignal, fetch?: typeof fetch}) =>
 *     Promise<import('./protocol.js').Pixels & {own: boolean}>,
 *   readFile?: (path: string) => Promise<Uint8Array<ArrayBuffer>>,
 * }} Platform
 */

const TASK = ['signal', 'onProgress', 'transfer'];
const ENCODE = [...TASK, 'quality', 'bpp', 'targetSize', 'effort', 'predict', 'alpha', 'measure', 'model'];
const TOKENIZE = [...TASK, 'quality', 'effort'];
const PACK = [...TASK, 'predict'];
const TOKENS = [...TASK, 'levels', 'strict'];
const RENDER = [...TASK, 'region', 'onTile'];
const UPSCALE = [...TASK, 'factor', 'sharpness', 'part'];
const BITS = [...TASK, 'strict'];
const ALTERNATIVES = ['signal', 'x', 'y', 'level', 'count', 'prompt', 'label', 'guidance', 'part'];
/** For priors that take none. */
const NO_CONDITION = { prompt: '', options: {} };
const DECODE = [...TASK, 'region', 'levels', 'strict', 'onTile', 'model'];

/** Pixels ready to be sent: moved if they are ours or given away, and never with the rest of a larger buffer.
 * @param {import('./protocol.js').Pixels & {own?: boolean}} pixels @param {boolean} [give] */
export function sendable({ data, width, height, channels, own }, give = false) {
  const part = data.byteLength < data.buffer.byteLength || !(data.buffer instanceof ArrayBuffer);
  return { pixels: { data: part ? data.slice() : data, width, height, channels }, transfer: part || own || give };
}

/** @typedef {import('./types').EncodeResult} ResultShape */
/** @typedef {import('./types').Codec} CodecShape */

/** @implements {ResultShape} */
class EncodeResult {
  /** @param {any} answer @param {import('./protocol.js').Pixels} pixels */
  constructor({ bytes, tokens, ms, measures }, { width, height }) {
    this.bytes = bytes;
    this.width = width;
    this.height = height;
    this.bpp = (bytes.length * 8) / (width * height);
    this.tokens = fromCore(tokens);
    this.ms = ms;
    this.psnr = measures?.psnr;
    this.ssim = measures?.ssim;
    this.msSsim = measures?.msSsim;
  }

  toBlob() {
    return new Blob([this.bytes], { type: 'image/x-tesserae' });
  }
}

/** @implements {CodecShape} */
export class Codec {
  /** @type {Pool} */ #pool;
  /** @type {Client} */ #studio;
  /** @type {Parts} */ #parts;
  /** @type {Platform} */ #platform;
  /** @type {typeof fetch | undefined} */ #fetch;

  /**
   * @param {Platform} platform
   * @param {Client[]} clients
   * @param {Client} studio one more, started when something is generated
   * @param {import('./types').LoadOptions} options
   * @param {import('./types').Backend} backend
   * @param {{info: import('./types').ModelInfo, codebooks: Float32Array[]}} made
   */
  constructor(platform, clients, studio, options, backend, { info, codebooks }) {
    this.#platform = platform;
    this.#pool = new Pool(clients, info.factor);
    this.#studio = studio;
    this.#parts = new Parts(studio, info, options, platform.readFile);
    this.#fetch = options.fetch;
    this.backend = backend;
    this.model = info;
    countParts(info, options.model);
    rememberModel(info);
    this.codebook = new Codebook(codebooks, info.codebook, (tokens, options) =>
      this.#call('detokenize', { tokens: this.#sized(tokens), options: {} }, options),
    );
  }

  /**
   * Starts the workers while the model is on its way.
   * @param {Platform} platform @param {import('./types').LoadOptions} options @param {Promise<Uint8Array>} model
   */
  static async create(platform, options, model) {
    const { signal, onProgress, workers = 1 } = options;
    model.catch(() => {}); // whoever waits for it hears of it
    if (!Number.isInteger(workers) || workers < 0 || workers > 64)
      throw new TesseraeError('ERR_OPTION', `workers is ${workers}; it must be a whole number from 0 to 64.`);
    checkBackend(options);
    throwIfAborted(signal);
    const setup = async (/** @type {import('./channel.js').Channel} */ channel) =>
      channel.call('load', { bytes: await copyOf(await model) });
    const clients = Array.from(
      { length: Math.max(1, workers) },
      () => new Client(() => platform.startWorker(options), setup),
    );
    const studio = new Client(
      () => platform.startWorker({ ...options, workers: Math.min(1, workers) }, 'studio'),
      setup,
    );
    const stop = () => clients.forEach((client) => client.dispose());
    const aborted = new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
    );
    try {
      const [{ backend, made }] = await Promise.race([Promise.all(clients.map((client) => client.ready())), aborted]);
      onProgress?.({ status: 'ready', backend });
      return new Codec(platform, clients, studio, options, backend, made);
    } catch (error) {
      stop();
      throw error;
    }
  }

  /** @param {string} op @param {any} args @param {import('./types').DecodeOptions} [options] */
  #call(op, args, options) {
    return this.#pool.call(op, args, callOptions(options));
  }

  /** @param {import('./types').ImageInput} image @param {any} options */
  #read(image, { signal }) {
    return this.#platform.readImage(image, { signal, fetch: this.#fetch });
  }

  /** @param {import('./types').ImageInput} image @param {import('./types').EncodeOptions} [options] */
  async encode(image, options = {}) {
    checkOptions('encode', options, ENCODE);
    const { quality, bpp, targetSize, effort, predict, alpha, measure } = options;
    if ([quality, bpp, targetSize].filter((v) => v !== undefined).length > 1)
      throw new TesseraeError('ERR_OPTION', 'quality, bpp and targetSize exclude each other; give one of them.');
    if (alpha !== undefined && alpha !== 'keep' && alpha !== 'drop')
      throw new TesseraeError('ERR_OPTION', `alpha is "${alpha}"; it must be "keep" or "drop".`);
    this.#checkPredict(predict);
    const pixels = await this.#read(image, options);
    const encoding = defined({ quality, bpp, targetSize, effort, predict, alpha });
    const made = await this.#pool.encode(pixels, encoding, false, callOptions(options));
    if (!made) {
      const args = { ...sendable(pixels, options.transfer), options: encoding, measure };
      return new EncodeResult(await this.#call('encode', args, options), pixels);
    }
    const measures =
      measure &&
      (await this.#call('compare', { a: sendable(pixels).pixels, b: await this.#decoded(made.bytes, options) }, options));
    return new EncodeResult({ ...made, measures }, pixels);
  }

  /** @param {import('./types').ImageInput} image @param {import('./types').TokenizeOptions} [options] */
  async tokenize(image, options = {}) {
    checkOptions('tokenize', options, TOKENIZE);
    const { quality, effort } = options;
    const pixels = await this.#read(image, options);
    const encoding = defined({ quality, effort });
    const made = await this.#pool.encode(pixels, encoding, true, callOptions(options));
    if (made) return fromCore(made.tokens);
    return fromCore(await this.#call('tokenize', { ...sendable(pixels, options.transfer), options: encoding }, options));
  }

  /** @param {import('./types').BytesInput} file @param {import('./types').DecodeOptions} [options] */
  async decode(file, options = {}) {
    checkOptions('decode', options, DECODE);
    return this.#paint('decode', { bytes: await ownBytes(file, options) }, options);
  }

  /** @param {import('./types').BytesInput} file @param {import('./types').TokensOptions} [options] */
  async tokens(file, options = {}) {
    checkOptions('tokens', options, TOKENS);
    const { levels, strict } = options;
    if (levels !== undefined) checkWhole('levels', levels, 1);
    const args = { bytes: await ownBytes(file, options), options: defined({ levels, strict }) };
    return fromCore(await this.#call('tokens', args, options));
  }

  /** @param {import('./types').BytesInput} file @param {import('./types').TaskOptions & {strict?: boolean}} [options] */
  async bits(file, options = {}) {
    checkOptions('bits', options, BITS);
    const args = { bytes: await ownBytes(file, options), options: defined({ strict: options.strict }) };
    return this.#call('bits', args, options);
  }

  /** @param {import('./types').TokenGrid} tokens @param {import('./types').PackOptions} [options] */
  async pack(tokens, options = {}) {
    checkOptions('pack', options, PACK);
    const { predict } = options;
    this.#checkPredict(predict);
    const args = { tokens: this.#sized(tokens), options: defined({ predict }) };
    return (await this.#call('encodeGrid', args, options)).bytes;
  }

  /** @param {import('./types').TokenGrid} tokens @param {import('./types').DecodeOptions} [options] */
  async detokenize(tokens, options = {}) {
    checkOptions('detokenize', options, DECODE);
    return this.#paint('detokenize', { tokens: this.#sized(tokens) }, options);
  }

  /** @param {import('./types').ImageInput} image @param {import('./types').TaskOptions} [options] */
  async encodeLatents(image, options = {}) {
    checkOptions('encodeLatents', options, TASK);
    const pixels = await this.#read(image, options);
    const made = await this.#pool.encodeLatents(pixels, callOptions(options));
    return made ?? this.#call('encodeLatents', sendable(pixels, options.transfer), options);
  }

  /** @param {import('./types').LatentGrid} latents @param {import('./types').RenderOptions} [options] */
  async decodeLatents(latents, options = {}) {
    checkOptions('decodeLatents', options, RENDER);
    return this.#paint('decodeLatents', { latents: checkLatents(latents) }, options);
  }

  /** @param {import('./types').GenerateOptions} [options] @returns {import('./types').Generation} */
  generate(options = {}) {
    return new Generation(options, this.model, {
      sample: (args, call) => this.#studio.call('sample', args, call),
      paint: (tokens, { signal }) => this.detokenize(tokens, { signal }),
    });
  }

  /** @param {import('./types').ImageInput} image @param {import('./types').UpscaleOptions} [options] */
  async upscale(image, options = {}) {
    checkOptions('upscale', options, UPSCALE);
    const { factor = 4, sharpness = 1, part } = options;
    if (factor !== 2 && factor !== 4) throw new TesseraeError('ERR_OPTION', `factor is ${factor}; it must be 2 or 4.`);
    if (!(sharpness >= 0 && sharpness <= 1))
      throw new TesseraeError('ERR_OPTION', `sharpness is ${sharpness}; it must be a number from 0 (smooth) to 1 (sharp).`);
    const pixels = await this.#read(image, options);
    const args = { ...sendable(pixels, options.transfer), options: { factor, sharpness } };
    return toImageData(await this.#parts.call('upscaler', part, 'upscale', args, callOptions(options)));
  }

  /**
   * @param {import('./types').ImageInput} image @param {import('./types').Mask | null} [mask]
   * @param {import('./types').InpaintOptions} [options]
   */
  async inpaint(image, mask, options = {}) {
    checkInpainting(options);
    const { pixels, prior, ...rest } = inpaintingOf(await this.#read(image, options), mask, options);
    const args = { ...sendable(pixels, options.transfer), ...rest };
    const call = callOptions(options);
    const made = await (prior ? this.#parts.call('prior', options.part, 'inpaint', args, call) : this.#studio.call('inpaint', args, call));
    return made.map(toImageData);
  }

  /** @param {import('./types').TokenGrid} tokens @param {import('./types').AlternativesOptions} options */
  async alternatives(tokens, options = /** @type {any} */ ({})) {
    checkOptions('alternatives', options, ALTERNATIVES);
    const { x, y, level = 0, count = 8, part } = options;
    const asked = options.prompt || options.label !== undefined || options.guidance;
    const { prompt, options: condition } = this.model.prior || asked ? conditionOf(options, this.model) : NO_CONDITION;
    for (const [name, value] of Object.entries({ x, y, level })) checkWhole(name, value, 0);
    checkWhole('count', count, 1);
    const grid = withLevels(this.#sized(tokens), this.model.levels);
    const args = { tokens: grid, level, y, x, count, prompt, options: condition };
    return this.#parts.call('prior', part, 'alternatives', args, { signal: options.signal });
  }

  /** @param {import('./types').TokenGrid} from @param {import('./types').TokenGrid} to @param {number} t @param {import('./types').TaskOptions} [options] */
  async interpolate(from, to, t, options = {}) {
    checkOptions('interpolate', options, TASK);
    if (!(t >= 0 && t <= 1)) throw new TesseraeError('ERR_OPTION', `t is ${t}; it must be a number from 0 to 1.`);
    const levels = Math.max(from.levels, to.levels);
    const [a, b] = [from, to].map((grid) => withLevels(this.#sized(grid), levels));
    for (const side of /** @type {const} */ (['width', 'height', 'pixelWidth', 'pixelHeight']))
      if (a[side] !== b[side])
        throw new TesseraeError(
          'ERR_INPUT',
          `Tokens of pictures of ${a.pixelWidth}x${a.pixelHeight} and ${b.pixelWidth}x${b.pixelHeight} pixels do not lie over each other; take pictures of one size.`,
        );
    return fromCore(await this.#studio.call('interpolate', { a, b, t }, callOptions(options)));
  }

  /** @param {'decode' | 'detokenize' | 'decodeLatents'} op @param {any} input @param {import('./types').DecodeOptions} options */
  async #paint(op, input, options) {
    const { region, levels, strict, onTile } = options;
    if (region) checkRegion(region);
    if (levels !== undefined) checkWhole('levels', levels, 1);
    const args = { ...input, options: defined({ region, levels, strict }), tiles: Boolean(onTile) };
    const picture = input.bytes ? sizeOfFile(input.bytes) : sizeOfGrid(input.tokens ?? input.latents);
    const shared = picture && (await this.#pool.paint(op, args, picture, callOptions(options)));
    const pixels = shared ?? (await this.#call(op, args, options));
    return Object.assign(toImageData(pixels), { damaged: pixels.damaged });
  }

  /** The pixels of a file just made. @param {any} bytes @param {{signal?: AbortSignal}} options */
  async #decoded(bytes, { signal }) {
    const { data, width, height } = await this.#paint('decode', { bytes }, { signal });
    return { data, width, height, channels: 4 };
  }

  /** Ahead of any work. @param {boolean} [predict] */
  #checkPredict(predict) {
    const { name, predictors } = this.model;
    if (predict && !predictors)
      throw new TesseraeError('ERR_OPTION', `The model ${name} has no predictors; encode without predict.`);
  }

  /** A grid as the core wants it, checked against the model. @param {any} tokens */
  #sized(tokens) {
    const { codebook, factor, levels: most } = this.model;
    const { width, height, levels, size, data, pixelWidth, pixelHeight } = tokenGrid(tokens);
    if (size !== codebook.size || levels > most) {
      throw new TesseraeError(
        'ERR_MODEL',
        `These tokens have ${levels} levels of ${size} codes, the model has ${most} of ${codebook.size}: use their own model.`,
      );
    }
    return {
      width,
      height,
      levels,
      size,
      data,
      pixelWidth: pixelWidth || width * factor,
      pixelHeight: pixelHeight || height * factor,
    };
  }

  async dispose() {
    for (const client of [...this.#pool.clients, this.#studio]) client.dispose();
  }

  async [Symbol.asyncDispose]() {
    await this.dispose();
  }
}

/** What a caller wants to hear, as the channel reports it. @param {import('./types').DecodeOptions} [options] */
function callOptions({ signal, onProgress, onTile } = {}) {
  if (!onProgress && !onTile) return { signal };
  return {
    signal,
    onProgress: (/** @type {any} */ { tile, ...progress }) => {
      if (tile) onTile?.(toImageData(tile.pixels), tile.x, tile.y);
      onProgress?.(progress);
    },
  };
}

/** The same tokens with more levels, of code 0: there it is the zero vector. @param {import('./protocol.js').Tokens} tokens @param {number} levels */
function withLevels(tokens, levels) {
  const data = new Uint16Array(levels * tokens.width * tokens.height);
  data.set(tokens.data);
  return { ...tokens, levels, data };
}

/** The size of the picture in a file; undefined where the core should say what is wrong with it. @param {Uint8Array} bytes */
function sizeOfFile(bytes) {
  try {
    return readInfo(bytes);
  } catch {
    return undefined;
  }
}

/** @param {{pixelWidth: number, pixelHeight: number}} grid */
const sizeOfGrid = ({ pixelWidth, pixelHeight }) => ({ width: pixelWidth, height: pixelHeight });

/** Latents as the core wants them. @param {any} latents @returns {import('./protocol.js').Latents} */
function checkLatents(latents) {
  const { width, height, dim, data, pixelWidth, pixelHeight } = latents ?? {};
  for (const [name, value] of Object.entries({ width, height, dim, pixelWidth, pixelHeight })) {
    if (!Number.isInteger(value) || value < 1)
      throw new TesseraeError('ERR_INPUT', `The latents' ${name} is ${value}; it must be a whole number from 1 up.`);
  }
  if (data?.length !== width * height * dim)
    throw new TesseraeError(
      'ERR_INPUT',
      `Latents of ${width} x ${height} x ${dim} have ${width * height * dim} values, data has ${data?.length}.`,
    );
  return { width, height, dim, data: Float32Array.from(data), pixelWidth, pixelHeight };
}

/** A file's bytes in a buffer of their own: a clone would take a larger one along whole.
 * @param {import('./types').BytesInput} file @param {{signal?: AbortSignal}} options */
async function ownBytes(file, { signal }) {
  throwIfAborted(signal);
  const all = await toBytes(file);
  return all.byteLength < all.buffer.byteLength ? all.slice() : all;
}

/** @param {string} name @param {number} value @param {number} least */
function checkWhole(name, value, least) {
  if (Number.isInteger(value) && value >= least) return;
  throw new TesseraeError('ERR_OPTION', `${name} is ${value}; it must be a whole number from ${least} up.`);
}

/** @param {import('./types').LoadOptions} options */
export function checkBackend({ threads = 'auto', backend = 'auto' }) {
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads >= 1 && threads <= 64))
    throw new TesseraeError('ERR_OPTION', `threads is ${threads}; it must be "auto" or a whole number from 1 to 64.`);
  if (backend !== 'auto' && !BUILDS.includes(backend))
    throw new TesseraeError('ERR_OPTION', `backend is "${backend}"; it must be auto, ${BUILDS.join(', ')}.`);
}

/** @param {{x: number, y: number, width: number, height: number}} region */
function checkRegion({ x, y, width, height }) {
  for (const [name, value] of Object.entries({ x, y })) checkWhole(`region.${name}`, value, 0);
  for (const [name, value] of Object.entries({ width, height })) checkWhole(`region.${name}`, value, 1);
}
