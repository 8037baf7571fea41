/**
 * The only file that touches WebAssembly memory: a thin form of include/tesserae.h over one instance.
 *
 * Long jobs are generators: each `next()` does one step of the core (a tile or a training step, tens of milliseconds)
 * and yields what there is to report, so that whoever drives them may stop between two steps. Views of the memory are
 * made anew at every use, because a call may grow it and leave older views empty.
 */
import { TesseraeError } from './errors.js';

const MORE = 1;
const DONE = 2;

/** What the encoder is set to where a call says nothing. */
const ENCODE_DEFAULTS = { quality: 60, effort: 4, alpha: 'keep' };

export class Core {
  /** @param {WebAssembly.Module} module @returns {Promise<Core>} */
  static async create(module) {
    /** @type {Record<string, Record<string, Function>>} */
    const imports = {};
    for (const { module: space, name } of WebAssembly.Module.imports(module)) {
      (imports[space] ??= {})[name] = name === 'emscripten_notify_memory_growth'
        ? () => {}
        : () => { throw new WebAssembly.RuntimeError(`the core called ${space}.${name}, which is not there`); };
    }
    return new Core((await WebAssembly.instantiate(module, /** @type {any} */ (imports))).exports);
  }

  /** @param {any} exports of a module built by the project's CMake */
  constructor(exports) {
    this.c = exports;
    this.c._initialize?.();
    this.out = this.alloc(64); // out-parameters: up to sixteen ints, or eight doubles
    /** @type {Map<string, number>} option names as C strings, kept for good */
    this.names = new Map();
    this.model = 0;
    this.encoder = 0;
    this.decoder = 0;
    this.trainer = 0;
    this.stopping = false;
    this.build = this.text(this.c.tess_backend());
    this.version = this.text(this.c.tess_version());
  }

  // ---- memory

  get heap() { return this.c.memory.buffer; }
  /** @param {number} pointer @param {number} length */
  u8(pointer, length) { return new Uint8Array(this.heap, pointer >>> 0, length); }
  /** @param {number} pointer @param {number} length in values; a copy, safe to keep */
  copyU16(pointer, length) { return new Uint16Array(this.heap, pointer >>> 0, length).slice(); }
  /** The `index`th int of the out-parameters. @param {number} index */
  int(index) { return new Int32Array(this.heap, this.out, 16)[index]; }
  /** Size in bytes of what the last call returned by `size_t *`. */
  get size() { return this.int(0) >>> 0; }

  /** @param {number} bytes @returns {number} */
  alloc(bytes) {
    const pointer = this.c.tess_alloc(Math.max(bytes, 1)) >>> 0;
    if (!pointer) throw new TesseraeError('ERR_MEMORY', `Memory is out: ${bytes} bytes were asked for. Use a smaller picture.`);
    return pointer;
  }

  /** Copies bytes in for the length of one call. @template T @param {Uint8Array} bytes @param {(pointer: number, size: number) => T} use */
  lend(bytes, use) {
    const pointer = this.alloc(bytes.length);
    try {
      this.u8(pointer, bytes.length).set(bytes);
      return use(pointer, bytes.length);
    } finally {
      this.c.tess_free(pointer);
    }
  }

  /** @param {number} pointer of a C string */
  text(pointer) {
    const bytes = new Uint8Array(this.heap, pointer >>> 0);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  /** @param {string} name @returns {number} a C string that is never freed */
  name(name) {
    let pointer = this.names.get(name);
    if (!pointer) {
      const bytes = new TextEncoder().encode(`${name}\0`);
      this.u8(pointer = this.alloc(bytes.length), bytes.length).set(bytes);
      this.names.set(name, pointer);
    }
    return pointer;
  }

  /** Throws what a handle says if a status is negative; returns the status otherwise.
   * @param {number} status @param {'model' | 'encoder' | 'decoder' | 'trainer'} kind @param {number} [handle] */
  check(status, kind, handle = this[kind]) {
    if (status >= 0) return status;
    const code = this.text(this.c.tess_status_name(status));
    const said = handle ? this.text(this.c[`tess_${kind}_message`](handle)) : '';
    throw new TesseraeError(/** @type {any} */ (code), said || `The ${kind} failed with ${code}.`);
  }

  /** @param {'model' | 'encoder' | 'decoder' | 'trainer'} kind @param {number} [argument] of its _new */
  make(kind, argument) {
    const handle = this.c[`tess_${kind}_new`](argument) >>> 0;
    if (!handle) throw new TesseraeError('ERR_MEMORY', `Memory is out: no room for a ${kind}.`);
    return handle;
  }

  /** @param {'encoder' | 'decoder' | 'trainer'} kind @param {string} option @param {number} value */
  set(kind, option, value) {
    this.check(this.c[`tess_${kind}_set`](this[kind], this.name(option), Number(value)), kind);
  }

  /** Writes pixels as `channels` per pixel. @param {number} pointer @param {import('./protocol.js').Pixels} pixels @param {number} channels */
  write(pointer, { data, width, height, channels: from }, channels) {
    const count = width * height;
    const to = this.u8(pointer, count * channels);
    if (from === channels) return void to.set(data.subarray(0, count * channels));
    const green = from > 2 ? 1 : 0;
    for (let i = 0, s = 0, d = 0; i < count; i++, s += from, d += channels) {
      to[d] = data[s];
      if (channels > 2) {
        to[d + 1] = data[s + green];
        to[d + 2] = data[s + 2 * green];
        if (channels === 4) to[d + 3] = from === 4 ? data[s + 3] : 255;
      }
    }
  }

  /** A rectangle of interleaved pixels in memory as RGBA. @param {number} pointer @param {number} stride in pixels @param {number} channels
   * @param {{x: number, y: number, width: number, height: number}} rect */
  rgba(pointer, stride, channels, { x, y, width, height }) {
    const to = new Uint8ClampedArray(width * height * 4);
    const words = new Uint32Array(to.buffer);
    for (let row = 0, d = 0; row < height; row++) {
      let s = ((y + row) * stride + x) * channels;
      const from = this.u8(pointer, s + width * channels);
      if (channels === 4) {
        to.set(from.subarray(s), d);
        d += width * 4;
      } else {
        const green = channels === 3 ? 1 : 0;
        for (let i = 0; i < width; i++, s += channels) words[d++] = (0xff000000 | from[s + 2 * green] << 16 | from[s + green] << 8 | from[s]) >>> 0;
      }
    }
    return { data: to, width, height, channels: /** @type {4} */ (4) };
  }

  // ---- model

  /** Loads a model in place of the one before. @param {Uint8Array} bytes */
  load(bytes) {
    this.unload();
    const model = this.make('model');
    try {
      this.check(this.lend(bytes, (at, size) => this.c.tess_model_load(model, at, size)), 'model', model);
    } catch (error) {
      this.c.tess_model_free(model);
      throw error;
    }
    this.model = model;
    this.info = JSON.parse(this.text(this.c.tess_model_info(model)));
    /** @type {Float32Array[]} */
    const codebooks = [];
    for (let level = 0; level < this.info.levels; level++) {
      const at = this.c.tess_model_codebook(model, level, this.out, this.out + 4) >>> 0;
      codebooks.push(at ? new Float32Array(this.heap, at, this.int(0) * this.int(1)).slice() : new Float32Array(0));
    }
    return { info: this.info, codebooks };
  }

  /** What a model is, without keeping it. @param {Uint8Array} bytes */
  inspect(bytes) {
    const { info } = this.load(bytes);
    this.unload();
    return info;
  }

  unload() {
    this.drop('encoder');
    this.drop('decoder');
    this.c.tess_model_free(this.model);
    this.model = 0;
  }

  /** A new handle for one job, in place of the one before: options stay with a handle, and so does its memory.
   * @param {'encoder' | 'decoder'} kind */
  renew(kind) {
    if (!this.model) throw new TesseraeError('ERR_STATE', 'No model is loaded; call createCodec first.');
    this.drop(kind);
    this[kind] = this.make(kind, this.model);
  }

  /** @param {'encoder' | 'decoder' | 'trainer'} kind */
  drop(kind) {
    this.c[`tess_${kind}_free`](this[kind]);
    this[kind] = 0;
  }

  /** Where a `begin` call said to write, or what it said instead. @param {'encoder' | 'decoder' | 'trainer'} kind @param {number} pointer */
  begun(kind, pointer) {
    if (pointer) return pointer >>> 0;
    const said = this.text(this.c[`tess_${kind}_message`](this[kind])); // a begin has no status, only a sentence
    throw new TesseraeError(/memory/i.test(said) ? 'ERR_MEMORY' : /too large/i.test(said) ? 'ERR_TOO_LARGE' : 'ERR_INPUT', said);
  }

  /** Steps a handle to its end, yielding how far it is. @param {'encoder' | 'decoder'} kind @param {() => any} [report] */
  *steps(kind, report) {
    for (;;) {
      const status = this.check(this.c[`tess_${kind}_step`](this[kind]), kind);
      yield { status: 'work', stage: kind === 'encoder' ? 'encode' : 'decode', done: this.c[`tess_${kind}_progress`](this[kind]), total: 1, ...report?.() };
      if (status === DONE) return;
      if (status !== MORE) throw new TesseraeError('ERR_WORKER', `The ${kind} answered a step with ${status}.`);
    }
  }

  // ---- encoder

  /** @param {{pixels: import('./protocol.js').Pixels, options: any}} args @param {boolean} [tokensOnly] */
  *encoding({ pixels, options }, tokensOnly = false) {
    this.renew('encoder');
    const o = { ...(tokensOnly ? {} : ENCODE_DEFAULTS), ...options };
    if (tokensOnly) this.set('encoder', 'tokens_only', 1); // to the nearest codes, unless a quality is asked for
    if (o.alpha === 'drop') this.set('encoder', 'alpha', 0);
    for (const [option, value] of [['effort', o.effort], ['quality', o.quality], ['bpp', o.bpp], ['size', o.targetSize]]) {
      if (value !== undefined) this.set('encoder', option, value); // of the last three the last one set rules
    }
    const channels = pixels.channels === 4 && (o.alpha === 'drop' || isOpaque(pixels.data)) ? 3 : pixels.channels;
    this.write(this.begun('encoder', this.c.tess_encoder_begin(this.encoder, pixels.width, pixels.height, channels)), pixels, channels);
    yield* this.steps('encoder');
  }

  /** @param {import('./protocol.js').Pixels} pixels @returns {import('./protocol.js').Tokens} what the encoder chose */
  chosen({ width, height }) {
    return this.grid(this.c.tess_encoder_tokens(this.encoder, this.out, this.out + 4, this.out + 8), width, height);
  }

  /** @param {number} pointer of tokens whose levels, height, width stand in the out-parameters @param {number} pixelWidth @param {number} pixelHeight */
  grid(pointer, pixelWidth, pixelHeight) {
    const [levels, height, width] = [this.int(0), this.int(1), this.int(2)];
    const data = this.copyU16(pointer, levels * height * width);
    return { width, height, levels, size: this.info?.codebook.size ?? 0, data, pixelWidth, pixelHeight };
  }

  /** @param {{pixels: import('./protocol.js').Pixels, options: any, measure?: boolean}} args */
  *encode(args) {
    const start = performance.now();
    yield* this.encoding(args);
    const at = this.c.tess_encoder_bytes(this.encoder, this.out);
    const bytes = this.u8(at, this.size).slice();
    const result = { bytes, tokens: this.chosen(args.pixels), ms: performance.now() - start, measures: /** @type {any} */ (undefined) };
    this.drop('encoder');
    if (args.measure) result.measures = yield* this.measure(args.pixels, bytes);
    return result;
  }

  /** @param {{pixels: import('./protocol.js').Pixels, options: any}} args */
  *tokenize(args) {
    yield* this.encoding(args, true);
    const tokens = this.chosen(args.pixels);
    this.drop('encoder');
    return tokens;
  }

  // ---- decoder

  /** @param {{levels?: number, region?: any, strict?: boolean, tiles?: boolean}} options @param {() => void} begin writes the file or the tokens */
  *decoding(options, begin) {
    this.renew('decoder');
    if (options.levels !== undefined) this.set('decoder', 'levels', options.levels);
    if (options.strict) this.set('decoder', 'strict', 1);
    for (const key of ['x', 'y', 'width', 'height']) if (options.region) this.set('decoder', key, options.region[key]);
    begin();
    return yield* this.steps('decoder', options.tiles ? () => ({ tile: this.painted() }) : undefined);
  }

  /** The picture the decoder holds. @returns {{at: number, width: number, height: number, channels: number}} */
  get picture() {
    const at = this.c.tess_decoder_pixels(this.decoder, this.out, this.out + 4, this.out + 8) >>> 0;
    return { at, width: this.int(0), height: this.int(1), channels: this.int(2) };
  }

  /** The rectangle that the last step painted, or undefined. */
  painted() {
    this.c.tess_decoder_painted(this.decoder, this.out);
    const [x, y, width, height] = [this.int(0), this.int(1), this.int(2), this.int(3)];
    if (width <= 0 || height <= 0) return undefined;
    const { at, width: stride, channels } = this.picture;
    return at ? { x, y, pixels: this.rgba(at, stride, channels, { x, y, width, height }) } : undefined;
  }

  decoded() {
    const { at, width, height, channels } = this.picture;
    const pixels = this.rgba(at, width, channels, { x: 0, y: 0, width, height });
    const damaged = this.c.tess_decoder_damaged(this.decoder);
    this.drop('decoder');
    return { ...pixels, damaged };
  }

  /** @param {Uint8Array} bytes */
  beginFile(bytes) {
    const at = this.begun('decoder', this.c.tess_decoder_begin(this.decoder, bytes.length));
    this.u8(at, bytes.length).set(bytes);
  }

  /** @param {{bytes: Uint8Array, options: any, tiles?: boolean}} args */
  *decode({ bytes, options, tiles }) {
    yield* this.decoding({ ...options, tiles }, () => this.beginFile(bytes));
    return this.decoded();
  }

  /** @param {{tokens: import('./protocol.js').Tokens, options: any, tiles?: boolean}} args */
  *detokenize({ tokens: t, options, tiles }) {
    yield* this.decoding({ ...options, tiles }, () => {
      const at = this.begun('decoder', this.c.tess_decoder_begin_tokens(this.decoder, t.levels, t.height, t.width, t.pixelHeight, t.pixelWidth));
      new Uint16Array(this.heap, at, t.data.length).set(t.data);
    });
    return this.decoded();
  }

  // ---- measures

  /** Decodes a file just made and compares it with its original. @param {import('./protocol.js').Pixels} original @param {Uint8Array} bytes */
  *measure(original, bytes) {
    yield* this.decoding({}, () => this.beginFile(bytes));
    const { at, width, height, channels } = this.picture;
    const measures = this.compared(original, at, width, height, channels);
    this.drop('decoder');
    return measures;
  }

  /** @param {import('./protocol.js').Pixels} original @param {number} other pixels in memory @param {number} width @param {number} height @param {number} channels */
  compared(original, other, width, height, channels) {
    const a = this.alloc(width * height * channels);
    try {
      this.write(a, original, channels);
      const status = this.c.tess_compare(a, other, width, height, channels, this.out);
      if (status < 0) throw new TesseraeError(/** @type {any} */ (this.text(this.c.tess_status_name(status))), `These pictures of ${width}x${height} cannot be compared.`);
      const [mse, psnr, ssim, msSsim] = new Float64Array(this.heap, this.out, 4);
      return { mse, psnr, ssim, msSsim };
    } finally {
      this.c.tess_free(a);
    }
  }

  /** @param {{a: import('./protocol.js').Pixels, b: import('./protocol.js').Pixels}} args of one size */
  compare({ a, b }) {
    const at = this.alloc(b.width * b.height * 3);
    try {
      this.write(at, b, 3);
      return this.compared(a, at, b.width, b.height, 3);
    } finally {
      this.c.tess_free(at);
    }
  }

  // ---- trainer: one per instance

  /** @param {{config?: object, checkpoint?: Uint8Array, features?: {net: Uint8Array, heads: Uint8Array}}} args */
  createTrainer({ config, checkpoint, features }) {
    this.drop('trainer');
    this.trainer = this.make('trainer');
    this.check(checkpoint
      ? this.lend(checkpoint, (at, size) => this.c.tess_trainer_resume(this.trainer, at, size))
      : this.lend(new TextEncoder().encode(JSON.stringify(config)), (at, size) => this.c.tess_trainer_config(this.trainer, at, size)), 'trainer');
    if (features) {
      this.check(this.lend(features.net, (net, n) => this.lend(features.heads, (heads, m) => this.c.tess_trainer_features(this.trainer, net, n, heads, m))), 'trainer');
    }
    return { step: this.stat('step'), steps: this.stat('steps') };
  }

  /** @param {string} name */
  stat(name) { return this.c.tess_trainer_stat(this.trainer, this.name(name)); }

  /** @param {Uint8Array} bytes of a model file */
  initTrainer(bytes) {
    this.check(this.lend(bytes, (at, size) => this.c.tess_trainer_init(this.trainer, at, size)), 'trainer');
  }

  /** @param {import('./protocol.js').Pixels} pixels @param {boolean} validation */
  addImage(pixels, validation) {
    const channels = pixels.channels === 4 ? 3 : pixels.channels;
    const at = this.c.tess_trainer_add_image(this.trainer, validation ? 1 : 0, pixels.width, pixels.height, channels);
    this.write(this.begun('trainer', at), pixels.channels === 4 ? onWhite(pixels) : pixels, channels);
  }

  /** Steps until it is through, the schedule is, or stop() is called. @param {{steps: number, every: number, lr?: Float64Array}} args lr: one rate per step */
  *train({ steps, every, lr }) {
    this.stopping = false;
    let done = false;
    for (let ran = 0, told = 0, since = performance.now(); ran < steps && !done && !this.stopping;) {
      if (lr) this.set('trainer', 'lr', lr[ran]);
      done = this.check(this.c.tess_trainer_step(this.trainer), 'trainer') === DONE;
      ran++;
      if (this.stat('step') % every && !done && ran < steps) {
        yield;
        continue;
      }
      const now = performance.now();
      yield this.figures((now - since) / (ran - told));
      [since, told] = [now, ran];
    }
    return { step: this.stat('step') };
  }

  stop() { this.stopping = true; }

  /** @param {number} msPerStep */
  figures(msPerStep) {
    const s = (/** @type {string} */ name) => this.stat(name);
    const perceptual = s('lpips');
    return {
      step: s('step'),
      loss: {
        total: s('total'), reconstruction: s('total') - s('commitment'), commitment: s('commitment'), l1: s('l1'), l2: s('l2'),
        ...(perceptual ? { perceptual } : {}),
      },
      psnr: s('psnr'), bpp: s('bpp'), perplexity: s('perplexity'), used: s('used'), dead: s('dead'), lr: s('lr'), skipped: s('skipped'),
      msPerStep, etaMs: Math.max(0, s('steps') - s('step')) * msPerStep,
    };
  }

  /** @param {number} count */
  preview(count) {
    const pictures = [];
    const [input, output, tokens] = [this.out, this.out + 4, this.out + 16];
    for (let i = 0; i < count; i++) {
      this.check(this.c.tess_trainer_preview(this.trainer, i, input, output, this.out + 8, this.out + 12, tokens, this.out + 20, this.out + 24, this.out + 28), 'trainer');
      const ints = new Int32Array(this.heap, this.out, 8).slice();
      const [width, height, levels, rows, columns] = [ints[2], ints[3], ints[5], ints[6], ints[7]];
      const rect = { x: 0, y: 0, width, height };
      this.c.tess_trainer_usage(this.trainer, 0, this.out + 32);
      pictures.push({
        input: this.rgba(ints[0], width, 3, rect),
        output: this.rgba(ints[1], width, 3, rect),
        tokens: { width: columns, height: rows, levels, size: this.int(8), data: this.copyU16(ints[4], levels * rows * columns), pixelWidth: width, pixelHeight: height },
      });
    }
    return pictures;
  }

  /** @param {number} level */
  usage(level) {
    const at = this.c.tess_trainer_usage(this.trainer, level, this.out) >>> 0;
    if (!at) throw new TesseraeError('ERR_OPTION', `The quantizer has no level ${level}.`);
    return new Uint32Array(this.heap, at, this.int(0)).slice();
  }

  /** Bytes that a trainer call leaves at two out-parameters. @param {(pointer: number, size: number) => number} call */
  trainerBytes(call) {
    this.check(call(this.out, this.out + 4), 'trainer');
    return this.u8(this.int(0), this.int(1) >>> 0).slice();
  }

  checkpoint() { return this.trainerBytes((at, size) => this.c.tess_trainer_checkpoint(this.trainer, at, size)); }
  /** @param {boolean} half weights as f16 */
  trainedModel(half) { return this.trainerBytes((at, size) => this.c.tess_trainer_model(this.trainer, half ? 1 : 0, at, size)); }
}

/** @param {Uint8Array | Uint8ClampedArray} data RGBA */
function isOpaque(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

/** RGBA over white as RGB: a net that is being trained sees no alpha. @param {import('./protocol.js').Pixels} pixels */
function onWhite({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let s = 0, d = 0; s < data.length; s += 4) {
    const a = data[s + 3];
    for (let c = 0; c < 3; c++) rgb[d++] = Math.round((data[s + c] * a + 255 * (255 - a)) / 255);
  }
  return { data: rgb, width, height, channels: /** @type {3} */ (3) };
}
