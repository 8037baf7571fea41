/**
 * A thin form of include/tesserae.h over one instance: the model, encoder, decoder and measures (the trainer is in
 * trainer-core.js). Long jobs are generators: each `next()` does one step of the core (a tile or a training step, tens of
 * milliseconds) and yields what there is to report, so that whoever drives them may stop between two steps.
 */
import { TesseraeError } from './errors.js';
import { Memory } from './memory.js';
import { vocabularyOf } from './safetensors.js';
import { importsMemory, instantiate, sharedMemory } from './wasm.js';

export const MORE = 1;
export const DONE = 2;

/** The core counts costs in 1/256 bit. */
const COST_ONE = 256;

/** What the encoder is set to where a call says nothing. */
const ENCODE_DEFAULTS = { quality: 60, effort: 4 };

/** @typedef {import('./protocol.js').Pixels} Pixels */
/** @typedef {import('./protocol.js').Tokens} Tokens */
/** @typedef {import('./protocol.js').Latents} Latents */
/** @typedef {import('./protocol.js').FeatureNet} FeatureNet */

export class Core extends Memory {
  /** Asks the trainer's run to end after its step. */
  stopping = false;

  /** Codes per level of the loaded model. */
  codes = 0;

  /** @param {WebAssembly.Module} module @returns {Promise<Core>} */
  static async create(module) {
    const memory = importsMemory(module) ? sharedMemory() : undefined;
    return new Core(await instantiate(module, memory), memory);
  }

  get build() {
    return this.text(this.c.tess_backend());
  }

  get version() {
    return this.text(this.c.tess_version());
  }

  // ---- model

  /** Loads a model in place of the one before. @param {Uint8Array} bytes @param {Uint8Array} [more] a pair's other half */
  load(bytes, more) {
    this.unload();
    this.renew('model');
    try {
      this.lend(bytes, (at, size) =>
        more
          ? this.lend(more, (place, length) => this.must('model', 'load_pair', at, size, place, length))
          : this.must('model', 'load', at, size),
      );
    } catch (error) {
      this.drop('model');
      throw error;
    }
    const info = this.info(bytes);
    this.codes = info.codebook.size;
    const codebooks = Array.from({ length: info.levels }, (_, level) => {
      const at = this.ask('model', 'codebook', level, this.out, this.out + 4);
      const [size, dim] = this.ints(2);
      return at ? this.copy(Float32Array, at, size * dim) : new Float32Array(info.codebook.size * info.codebook.dim);
    });
    return { info, codebooks };
  }

  /** Adds a part to the loaded model, in place of the one of that kind that was added before. @param {Uint8Array} bytes */
  add(bytes) {
    if (!this.handles.model) throw new TesseraeError('ERR_STATE', 'No model is loaded; call createCodec first.');
    this.drop('sampler');
    this.drop('upscaler');
    this.drop('inpainter');
    this.lend(bytes, (at, size) => this.must('model', 'add', at, size));
    return this.info(bytes);
  }

  /** What the loaded model is. @param {Uint8Array} bytes of the file that has its prior, if any */
  info(bytes) {
    const info = JSON.parse(this.text(this.ask('model', 'info')));
    if (info.prior) info.prior.vocabulary = vocabularyOf(bytes);
    return info;
  }

  /**
   * What a model is, without keeping it; with `convert` also its model file, and `bytes` may be a foreign checkpoint.
   * @param {{bytes: Uint8Array, more?: Uint8Array, convert?: boolean}} args
   */
  inspect({ bytes, more, convert }) {
    const { info } = this.load(bytes, more);
    try {
      if (!convert) return { info };
      this.must('model', 'save', -1, this.out, this.out + 4);
      const [at, size] = this.ints(2);
      const file = this.copy(Uint8Array, at, size >>> 0);
      return { info: { ...info, bytes: file.length }, file };
    } finally {
      this.unload();
    }
  }

  unload() {
    this.drop('encoder');
    this.drop('decoder');
    this.drop('sampler');
    this.drop('upscaler');
    this.drop('inpainter');
    this.drop('model');
  }

  /**
   * Options stay with a handle, and so does its memory: every job gets a new one.
   * @param {'encoder' | 'decoder' | 'sampler' | 'upscaler' | 'inpainter'} kind
   */
  begin(kind) {
    if (!this.handles.model) throw new TesseraeError('ERR_STATE', 'No model is loaded; call createCodec first.');
    this.renew(kind, this.handles.model);
  }

  /** Steps a job to its end, yielding how far it is. @param {'encoder' | 'decoder'} kind @param {() => any} [report] */
  *steps(kind, report) {
    const stage = kind === 'encoder' ? 'encode' : 'decode';
    let status = MORE;
    try {
      while (status === MORE) {
        status = this.must(kind, 'step');
        yield { status: 'work', stage, done: this.ask(kind, 'progress'), total: 1, ...report?.() };
      }
    } finally {
      if (status !== DONE) this.drop(kind); // failed or cancelled: give its memory back
    }
  }

  // ---- encoder

  /** A new encoder. @param {any} options @param {'tokens_only' | 'latents'} [only] no file, but this @param {any} [region] */
  beginEncoder(options, only, region) {
    const { effort, quality, bpp, targetSize, alpha, predict } = options;
    this.begin('encoder');
    if (only) this.set('encoder', only, 1); // tokens: the nearest codes, unless a quality is asked for
    if (alpha === 'drop') this.set('encoder', 'alpha', 0);
    const values = { effort, quality, bpp, size: targetSize, predict: predict && 1, ...region };
    for (const [option, value] of Object.entries(values)) {
      if (value !== undefined) this.set('encoder', option, value); // of quality, bpp and size the last one set rules
    }
    return options;
  }

  /** @param {{pixels: Pixels, options: any}} args @param {'tokens_only' | 'latents'} [only] */
  *encoding({ pixels, options }, only) {
    const { alpha } = this.beginEncoder(only ? options : { ...ENCODE_DEFAULTS, ...options }, only);
    const channels = pixels.channels === 4 && (alpha === 'drop' || isOpaque(pixels.data)) ? 3 : pixels.channels;
    const at = this.place('encoder', 'begin', pixels.width, pixels.height, channels);
    this.write(at, pixels, channels);
    yield* this.steps('encoder');
  }

  /** The tokens that the encoder chose, the decoder read or the sampler made up. @param {'encoder' | 'decoder' | 'sampler'} kind
   * @param {{width: number, height: number}} picture @returns {Tokens} */
  grid(kind, { width: pixelWidth, height: pixelHeight }) {
    const at = this.ask(kind, 'tokens', this.out, this.out + 4, this.out + 8);
    const [levels, height, width] = this.ints(3);
    const data = this.copy(Uint16Array, at, levels * height * width);
    return { width, height, levels, size: this.codes, data, pixelWidth, pixelHeight };
  }

  /** The file that the encoder wrote. */
  get file() {
    const at = this.ask('encoder', 'bytes', this.out);
    return this.copy(Uint8Array, at, this.ints(1)[0] >>> 0);
  }

  /** @param {{pixels: Pixels, options: any, measure?: boolean}} args */
  *encode(args) {
    const start = performance.now();
    yield* this.encoding(args);
    const bytes = this.file;
    const tokens = this.grid('encoder', args.pixels);
    const ms = performance.now() - start;
    this.drop('encoder');
    const measures = args.measure ? yield* this.measure(args.pixels, bytes) : undefined;
    return { bytes, tokens, ms, measures };
  }

  /** @param {{pixels: Pixels, options: any}} args */
  *tokenize(args) {
    yield* this.encoding(args, 'tokens_only');
    const tokens = this.grid('encoder', args.pixels);
    this.drop('encoder');
    return tokens;
  }

  /**
   * Latents of a picture, or of the work tiles in a region of one: then `pixels` are what those look at, lying at
   * part.x, part.y, and the other latents are zero.
   * @param {{pixels: Pixels, part?: {x: number, y: number, picture: {width: number, height: number}, region: any}}} args
   * @returns {Generator<any, Latents>}
   */
  *encodeLatents({ pixels, part }) {
    const { width: pixelWidth, height: pixelHeight } = part?.picture ?? pixels;
    this.beginEncoder({ alpha: 'drop' }, 'latents', part?.region);
    const to = this.place('encoder', 'begin', pixelWidth, pixelHeight, 3);
    this.write(to, pixels, 3, part && { ...part, stride: pixelWidth });
    yield* this.steps('encoder');
    const at = this.ask('encoder', 'latents', this.out, this.out + 4, this.out + 8);
    const [height, width, dim] = this.ints(3);
    const data = this.copy(Float32Array, at, height * width * dim);
    this.drop('encoder');
    return { width, height, dim, data, pixelWidth, pixelHeight };
  }

  /**
   * The rest of an encoding: from latents to tokens (of a region) or a file, or from tokens to a file.
   * @param {{latents?: Latents, tokens?: Tokens, options: any, tokensOnly?: boolean, region?: any, defaults?: boolean}} args
   */
  *encodeGrid({ latents, tokens, options, tokensOnly = false, region, defaults = !tokensOnly }) {
    const { width, height, pixelWidth, pixelHeight, data } = /** @type {Latents | Tokens} */ (latents ?? tokens);
    this.beginEncoder(
      defaults ? { ...ENCODE_DEFAULTS, ...options } : options,
      tokensOnly ? 'tokens_only' : undefined,
      region,
    );
    const at = latents
      ? this.place('encoder', 'begin_latents', height, width, latents.dim, pixelHeight, pixelWidth)
      : this.place('encoder', 'begin_tokens', height, width, pixelHeight, pixelWidth);
    this.view(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    yield* this.steps('encoder');
    const bytes = tokensOnly ? undefined : this.file;
    const grid = this.grid('encoder', { width: pixelWidth, height: pixelHeight });
    this.drop('encoder');
    return { bytes, tokens: grid };
  }

  /** The work tiles of a picture, and the pixels that each of the encoder's looks at.
   * @param {{encode: boolean, width: number, height: number}} args */
  tiles({ encode, width, height }) {
    const rect = (/** @type {number[]} */ [x, y, w, h]) => ({ x, y, width: w, height: h });
    const ask = (/** @type {number} */ i) => this.ask('model', 'tile', Number(encode), width, height, i, this.out);
    return Array.from({ length: Math.max(0, ask(-1)) }, (_, i) => {
      ask(i);
      const tile = rect(this.ints(4));
      this.ask('model', 'window', width, height, i, this.out);
      return { tile, window: encode ? rect(this.ints(4)) : tile };
    });
  }

  // ---- decoder

  /** A new decoder. @param {{levels?: number, region?: any, strict?: boolean, bits?: boolean}} options */
  beginDecoder({ levels, region, strict, bits }) {
    this.begin('decoder');
    for (const [option, value] of Object.entries({ levels, strict: strict && 1, bits: bits && 1, ...region })) {
      if (value !== undefined) this.set('decoder', option, value);
    }
  }

  /**
   * @param {{levels?: number, region?: any, strict?: boolean}} options
   * @param {() => void} input
   * @param {boolean} [tiles] report them
   */
  *decoding(options, input, tiles) {
    this.beginDecoder(options);
    input();
    yield* this.steps('decoder', tiles ? () => ({ tile: this.painted() }) : undefined);
  }

  /** The picture the decoder holds. */
  get picture() {
    const at = this.ask('decoder', 'pixels', this.out, this.out + 4, this.out + 8) >>> 0;
    const [width, height, channels] = this.ints(3);
    return { at, width, height, channels };
  }

  /** The rectangle that the last step painted, or undefined. */
  painted() {
    this.ask('decoder', 'painted', this.out);
    const [x, y, width, height] = this.ints(4);
    return width > 0 && height > 0 ? { x, y, pixels: this.rgba(this.picture, { x, y, width, height }) } : undefined;
  }

  decoded() {
    const { picture } = this;
    const pixels = this.rgba(picture, { ...picture, x: 0, y: 0 });
    const damaged = this.ask('decoder', 'damaged');
    this.drop('decoder');
    return { ...pixels, damaged };
  }

  /** @param {Uint8Array} bytes */
  giveFile(bytes) {
    this.view(this.place('decoder', 'begin', bytes.length), bytes.length).set(bytes);
  }

  /** @param {Tokens} tokens */
  giveTokens({ levels, height, width, pixelHeight, pixelWidth, data }) {
    const at = this.place('decoder', 'begin_tokens', levels, height, width, pixelHeight, pixelWidth);
    this.view(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** @param {Latents} latents */
  giveLatents({ height, width, dim, pixelHeight, pixelWidth, data }) {
    const at = this.place('decoder', 'begin_latents', height, width, dim, pixelHeight, pixelWidth);
    this.view(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** @param {{bytes: Uint8Array, options: any, tiles?: boolean}} args */
  *decode({ bytes, options, tiles }) {
    yield* this.decoding(options, () => this.giveFile(bytes), tiles);
    return this.decoded();
  }

  /**
   * Reads the tokens of a file, paints nothing, and takes something of the decoder.
   * @template T
   * @param {{bytes: Uint8Array, options: any}} args
   * @param {() => T} take
   * @returns {Generator<any, T>}
   */
  *reading({ bytes, options }, take) {
    this.beginDecoder(options);
    try {
      this.giveFile(bytes);
      while (!this.ask('decoder', 'tokens', 0, 0, 0)) {
        this.must('decoder', 'step');
        const done = this.ask('decoder', 'tokens', 0, 0, 0) ? 1 : this.ask('decoder', 'progress');
        yield { status: 'work', stage: 'decode', done, total: 1 };
      }
      return take();
    } finally {
      this.drop('decoder');
    }
  }

  /**
   * The tokens in a file.
   * @param {{bytes: Uint8Array, options: any}} args
   * @returns {Generator<any, import('./protocol.js').Tokens>}
   */
  *tokens(args) {
    return yield* this.reading(args, () => this.grid('decoder', this.picture));
  }

  /** What each token of a file takes, in bits. @param {{bytes: Uint8Array, options: any}} args */
  *bits({ bytes, options }) {
    return yield* this.reading({ bytes, options: { ...options, bits: true } }, () => {
      const at = this.ask('decoder', 'bits', this.out, this.out + 4, this.out + 8);
      const [levels, height, width] = this.ints(3);
      const counted = this.copy(Uint16Array, at, levels * height * width);
      const data = new Float32Array(counted.length);
      for (let i = 0; i < data.length; i++) data[i] = counted[i] / COST_ONE;
      return { width, height, levels, data };
    });
  }

  /** @param {{tokens: Tokens, options: any, tiles?: boolean}} args */
  *detokenize({ tokens, options, tiles }) {
    yield* this.decoding(options, () => this.giveTokens(tokens), tiles);
    return this.decoded();
  }

  /** @param {{latents: Latents, options: any, tiles?: boolean}} args */
  *decodeLatents({ latents, options, tiles }) {
    yield* this.decoding(options, () => this.giveLatents(latents), tiles);
    return this.decoded();
  }

  // ---- measures

  /** Decodes a file just made and compares it with its original. @param {Pixels} original @param {Uint8Array} bytes */
  *measure(original, bytes) {
    yield* this.decoding({}, () => this.giveFile(bytes));
    const measures = this.compared(original, this.picture);
    this.drop('decoder');
    return measures;
  }

  /** With `features` LPIPS too. @param {{a: Pixels, b: Pixels, features?: FeatureNet}} args pictures of one size */
  *compare({ a, b, features }) {
    const at = this.alloc(b.width * b.height * 3);
    let measures;
    try {
      this.write(at, b, 3);
      measures = this.compared(a, { at, width: b.width, height: b.height, channels: 3 });
    } finally {
      this.c.tess_free(at);
    }
    return features ? { ...measures, lpips: yield* this.lpips(a, b, features) } : measures;
  }

  /** @param {Pixels} a @param {Pixels} b of one size @param {FeatureNet} features */
  *lpips(a, b, features) {
    this.renew('lpips');
    try {
      this.giveFeatures('lpips', features);
      const at = this.place('lpips', 'begin', a.width, a.height);
      this.write(at, a, 3);
      this.write(at + a.width * a.height * 3, b, 3);
      while (this.must('lpips', 'step') === MORE) yield;
      return this.ask('lpips', 'value');
    } finally {
      this.drop('lpips');
    }
  }

  /**
   * @param {Pixels} original
   * @param {{at: number, width: number, height: number, channels: number}} picture in memory
   */
  compared(original, { at, width, height, channels }) {
    const a = this.alloc(width * height * channels);
    try {
      this.write(a, original, channels);
      const status = this.c.tess_compare(a, at, width, height, channels, this.out);
      if (status < 0) throw this.error(status, `Pictures of ${width}x${height} pixels could not be compared.`);
    } finally {
      this.c.tess_free(a);
    }
    const [mse, psnr, ssim, msSsim] = this.doubles(4);
    return { mse, psnr, ssim, msSsim };
  }
}

/** @param {Uint8Array | Uint8ClampedArray} data RGBA */
export function isOpaque(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}
