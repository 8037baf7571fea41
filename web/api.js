/** The public calls, made for a platform (browser or Node). */
import { Client } from './client.js';
import { Codec, sendable } from './codec.js';
import { TesseraeError } from './errors.js';
import { faultOf, isForeign, Model, modelBytes, modelShelf } from './model.js';
import { checkOptions, defined } from './options.js';
import { featureBytes, toBytes } from './pixels.js';
import { startTrainer } from './trainer.js';

const LOAD = [
  'model',
  'workers',
  'threads',
  'backend',
  'workerURL',
  'wasmURL',
  'wasmModule',
  'fetch',
  'cache',
  'timeout',
  'silence',
  'signal',
  'onProgress',
  'transfer',
];

/** @typedef {typeof import('./types')} Types */

/** @param {import('./codec.js').Platform} platform */
export function createApi(platform) {
  /**
   * Where createCodec was told to find things: the shared worker looks there too.
   * @type {import('./types').LoadOptions}
   */
  let places = {};
  /** @type {Partial<Record<import('./protocol.js').CoreKind, Client>>} the workers of calls that need no codec */
  const shared = {};
  /** @type {Map<any, Promise<import('./types').Codec>>} codecs of the one-shot forms, by model */
  const codecs = new Map();

  const worker = (/** @type {import('./protocol.js').CoreKind} */ kind) =>
    (shared[kind] ??= new Client(() => platform.startWorker(places, kind)));
  const bytesOf = (/** @type {any} */ source, /** @type {any} */ options) =>
    modelBytes(source, options, platform.readFile);

  /** @type {Types['createCodec']} */
  async function createCodec(options = {}) {
    checkOptions('createCodec', options, LOAD);
    const { workerURL, wasmURL, wasmModule, fetch: get, timeout, silence, threads, backend } = options;
    const { model = 'photo' } = options;
    const codec = await Codec.create(platform, { ...options, model }, bytesOf(model, options)).catch(faultOf(model));
    places = defined({ workerURL, wasmURL, wasmModule, fetch: get, timeout, silence, threads, backend });
    return codec;
  }

  /** The codec of a one-shot call. A failed start is not kept; models given as bytes are used once. @template T
   * @param {any} model
   * @param {any} options
   * @param {(codec: import('./types').Codec) => Promise<T>} use
   * @returns {Promise<T>}
   */
  async function once(model, { signal, onProgress }, use) {
    const key = model instanceof URL ? model.href : model;
    const options = { ...places, model, signal, onProgress };
    if (typeof key !== 'string' && !(key instanceof Model)) {
      const codec = await createCodec(options);
      return use(codec).finally(() => codec.dispose());
    }
    let codec = codecs.get(key);
    if (!codec) {
      codec = createCodec(options);
      codecs.set(key, codec);
      codec.catch(() => codecs.delete(key));
    }
    return use(await codec);
  }

  /** @type {Types['encode']} */
  const encode = (image, { model = 'photo', ...options } = {}) =>
    once(model, options, async (codec) => (await codec.encode(image, options)).bytes);

  /** @type {Types['decode']} */
  const decode = (file, { model = 'photo', ...options } = {}) =>
    once(model, options, (codec) => codec.decode(file, options));

  /** @type {Types['encodeStream']} */
  const encodeStream = (options = {}) =>
    new TransformStream({
      async transform(image, controller) {
        controller.enqueue(await encode(image, options));
      },
    });

  /** @type {Types['readImage']} */
  const readImage = async (image, options) => {
    const { data, width, height, channels } = await platform.readImage(image, options);
    return { data, width, height, channels };
  };

  /** @type {Types['compare']} */
  async function compare(a, b, options = {}) {
    checkOptions('compare', options, ['features', 'signal', 'onProgress', 'transfer']);
    const [first, second, features] = await Promise.all([
      platform.readImage(a, options),
      platform.readImage(b, options),
      options.features && featureBytes(options.features),
    ]);
    if (first.width !== second.width || first.height !== second.height) {
      throw new TesseraeError(
        'ERR_INPUT',
        `Pictures of ${first.width}x${first.height} and ${second.width}x${second.height} are not of one size.`,
      );
    }
    const args = { a: sendable(first).pixels, b: sendable(second).pixels, features };
    return worker(features ? 'studio' : 'codec').call('compare', args, options);
  }

  /**
   * A checkpoint of the field becomes a model file here, in a worker of its own: the memory that takes goes with it.
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {AbortSignal} [signal]
   * @param {Uint8Array<ArrayBuffer>} [more] a pair's other half
   * @param {any} [source] where it came from
   */
  const makeModel = async (bytes, signal, more, source) => {
    const convert = Boolean(more) || isForeign(bytes);
    const own = convert ? new Client(() => platform.startWorker(places)) : undefined;
    const asked = (own ?? worker('codec')).call('inspect', { bytes, more, convert }, { signal });
    const { info, file } = await asked.finally(() => own?.dispose());
    return new Model(info, file ?? bytes, source);
  };

  /** @type {Types['loadModel']} */
  async function loadModel(source, options = {}) {
    checkOptions('loadModel', options, ['cache', 'fetch', 'onProgress', 'signal', 'timeout']);
    if (source instanceof Model) return source;
    const [bytes, more] = await Promise.all([source].flat().map((one) => bytesOf(one, options)));
    return makeModel(bytes, options.signal, more, source).catch(faultOf(source));
  }

  /** @type {Types['createTrainer']} */
  const createTrainer = ({ init = 'random', ...options } = /** @type {any} */ ({})) => {
    const initBytes = async () => (init === 'random' ? undefined : bytesOf(init, options));
    return startTrainer(platform, options, undefined, { makeModel, initBytes });
  };

  /** @type {Types['resumeTrainer']} */
  const resumeTrainer = async (checkpoint, options = /** @type {any} */ ({})) =>
    startTrainer(platform, options, await toBytes(checkpoint), { makeModel, initBytes: async () => undefined });

  return {
    createCodec,
    encode,
    decode,
    encodeStream,
    readImage,
    compare,
    loadModel,
    createTrainer,
    resumeTrainer,
    models: modelShelf(platform.readFile),
  };
}
