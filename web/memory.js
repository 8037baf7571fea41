/**
 * The only file that touches WebAssembly memory: views, strings, pixels and handles of one instance of the core.
 * Views are made anew at every use, because a call may grow the memory and leave older views empty.
 */
import { TesseraeError } from './errors.js';

/** @typedef {import('./protocol.js').Pixels} Pixels */
/** @typedef {'model' | 'encoder' | 'decoder' | 'sampler' | 'inpainter' | 'upscaler' | 'trainer' | 'lpips'} Kind */

export class Memory {
  /** Of the core and its helpers, where the module has any: the size of its crew. */
  threads = 1;

  /** @param {any} exports of a module built by the project's CMake @param {WebAssembly.Memory} [memory] a shared one */
  constructor(exports, memory) {
    this.c = exports;
    this.shared = Boolean(memory);
    /** @type {WebAssembly.Memory} */
    this.memory = memory ?? exports.memory;
    this.c._initialize?.();
    this.out = this.alloc(64); // out-parameters: up to sixteen ints, or eight doubles
    /** @type {Map<string, number>} option names as C strings, kept for good */
    this.names = new Map();
    /** @type {Record<Kind, number>} at most one handle of each kind; 0: none */
    this.handles = { model: 0, encoder: 0, decoder: 0, sampler: 0, inpainter: 0, upscaler: 0, trainer: 0, lpips: 0 };
  }

  // ---- handles

  /** Makes a handle in place of the one before. @param {Kind} kind @param {number} [argument] of its _new */
  renew(kind, argument) {
    this.drop(kind);
    this.handles[kind] = this.c[`tess_${kind}_new`](argument) >>> 0;
    if (!this.handles[kind]) throw new TesseraeError('ERR_MEMORY', `Memory is out: no room for a new ${kind}.`);
    if (this.threads > 1 && kind !== 'model') this.set(kind, 'threads', this.threads);
  }

  /** @param {Kind} kind */
  drop(kind) {
    if (!this.handles[kind]) return;
    this.ask(kind, 'free');
    this.handles[kind] = 0;
  }

  /** tess_{kind}_{verb}(handle, ...) as it is. @param {Kind} kind @param {string} verb @param {...number} args */
  ask(kind, verb, ...args) {
    return this.c[`tess_${kind}_${verb}`](this.handles[kind], ...args);
  }

  /**
   * The same for calls that return a status: a negative one is thrown.
   * @param {Kind} kind
   * @param {string} verb
   * @param {...number} args
   */
  must(kind, verb, ...args) {
    const status = this.ask(kind, verb, ...args);
    if (status >= 0) return status;
    throw this.error(status, this.text(this.ask(kind, 'message')));
  }

  /**
   * The same for calls that return where to write; NULL comes with a sentence but no status.
   * @param {Kind} kind
   * @param {string} verb
   * @param {...number} args
   */
  place(kind, verb, ...args) {
    const pointer = this.ask(kind, verb, ...args) >>> 0;
    if (pointer) return pointer;
    const said = this.text(this.ask(kind, 'message'));
    const code = /no codebook/.test(said) ? 'ERR_MODEL' : /memory/i.test(said) ? 'ERR_MEMORY' : /too large/i.test(said) ? 'ERR_TOO_LARGE' : 'ERR_INPUT';
    throw new TesseraeError(code, said);
  }

  /** @param {Kind} kind @param {string} option @param {number} value */
  set(kind, option, value) {
    this.must(kind, 'set', this.name(option), Number(value));
  }

  /** @param {number} status @param {string} [said] */
  error(status, said) {
    const code = this.text(this.c.tess_status_name(status));
    return new TesseraeError(/** @type {any} */ (code), said || `The core failed with ${code}.`);
  }

  // ---- reading and writing

  get heap() {
    return this.memory.buffer;
  }

  /** A view, good until the next call of the core. @param {number} pointer @param {number} length */
  view(pointer, length) {
    return new Uint8Array(this.heap, pointer >>> 0, length);
  }

  /**
   * A copy of an array of the core.
   * @template {Uint8ArrayConstructor | Uint16ArrayConstructor | Uint32ArrayConstructor | Float32ArrayConstructor} T
   * @param {T} Type
   * @param {number} pointer
   * @param {number} length in values
   * @returns {InstanceType<T>}
   */
  copy(Type, pointer, length) {
    return /** @type {any} */ (new Type(this.heap, pointer >>> 0, length).slice());
  }

  /** The first out-parameters as ints. @param {number} [count] */
  ints(count = 16) {
    return [...new Int32Array(this.heap, this.out, count)];
  }

  /** The first out-parameters as doubles. @param {number} count */
  doubles(count) {
    return [...new Float64Array(this.heap, this.out, count)];
  }

  /** @param {number} bytes @returns {number} */
  alloc(bytes) {
    const pointer = this.c.tess_alloc(Math.max(bytes, 1)) >>> 0;
    if (pointer) return pointer;
    throw new TesseraeError('ERR_MEMORY', `Memory is out: ${bytes} bytes were asked for. Use a smaller picture.`);
  }

  /**
   * Copies bytes in for the length of one call.
   * @template T
   * @param {Uint8Array} bytes
   * @param {(pointer: number, size: number) => T} use
   */
  lend(bytes, use) {
    const pointer = this.alloc(bytes.length);
    try {
      this.view(pointer, bytes.length).set(bytes);
      return use(pointer, bytes.length);
    } finally {
      this.c.tess_free(pointer);
    }
  }

  /** LPIPS' net and heads. @param {'trainer' | 'lpips'} kind @param {import('./protocol.js').FeatureNet} files */
  giveFeatures(kind, { net, heads }) {
    this.lend(net, (at, size) => this.lend(heads, (place, length) => this.must(kind, 'features', at, size, place, length)));
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
      pointer = this.alloc(bytes.length);
      this.view(pointer, bytes.length).set(bytes);
      this.names.set(name, pointer);
    }
    return pointer;
  }

  // ---- pixels

  /**
   * Writes pixels as `channels` per pixel: grey is spread, alpha is dropped or made opaque.
   * @param {number} pointer
   * @param {Pixels} pixels
   * @param {number} channels
   * @param {{x: number, y: number, stride: number}} [place] in a picture of `stride` pixels a row
   */
  write(pointer, { data, width, height, channels: from }, channels, place) {
    for (let row = 0; place && row < height; row++) {
      const at = pointer + ((place.y + row) * place.stride + place.x) * channels;
      const line = data.subarray(row * width * from, (row + 1) * width * from);
      this.write(at, { data: line, width, height: 1, channels: from }, channels);
    }
    if (place) return;
    const count = width * height;
    const to = this.view(pointer, count * channels);
    if (from === channels) return void to.set(data);
    const [green, blue] = from > 2 ? [1, 2] : [0, 0];
    for (let i = 0, s = 0, d = 0; i < count; i++, s += from, d += channels) {
      to[d] = data[s];
      if (channels < 3) continue;
      to[d + 1] = data[s + green];
      to[d + 2] = data[s + blue];
      if (channels === 4) to[d + 3] = from === 4 ? data[s + 3] : 255;
    }
  }

  /**
   * A rectangle of a picture in memory, as RGBA.
   * @param {{at: number, width: number, channels: number}} picture
   * @param {{x: number, y: number, width: number, height: number}} rect
   */
  rgba({ at, width: stride, channels }, { x, y, width, height }) {
    const data = new Uint8ClampedArray(width * height * 4);
    const words = new Uint32Array(data.buffer);
    const [green, blue] = channels > 2 ? [1, 2] : [0, 0];
    for (let row = 0, d = 0; row < height; row++) {
      let s = ((y + row) * stride + x) * channels;
      const from = this.view(at, s + width * channels);
      if (channels === 4) {
        data.set(from.subarray(s), row * width * 4);
        continue;
      }
      for (let i = 0; i < width; i++, s += channels) {
        // little-endian, as every host of WebAssembly with typed arrays in use
        words[d++] = 0xff000000 | (from[s + blue] << 16) | (from[s + green] << 8) | from[s];
      }
    }
    return { data, width, height, channels: /** @type {4} */ (4) };
  }
}
