/**
 * Parts of a model in files of their own: an upscaler, a prior. One is fetched when a call first needs it, kept, and added to
 * the worker that answers.
 */
import { TesseraeError, throwIfAborted } from './errors.js';
import { fileOf, modelBytes, partAddress } from './model.js';
import { copyOf } from './pixels.js';

/** @typedef {'upscaler' | 'prior'} Part a part's key in the config, and in ModelInfo of a model that has it */
/** @typedef {import('./channel.js').Channel} Channel */
/** @typedef {import('./channel.js').CallOptions} CallOptions */
/** @typedef {import('./types').ModelInput} ModelInput */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

export class Parts {
  /** @type {Map<Part, {from: ModelInput | undefined, bytes: Promise<Bytes>}>} the last of each kind */ #held = new Map();
  /** @type {WeakMap<Channel, Map<Part, Bytes>>} what each worker was given */ #given = new WeakMap();
  /** @type {Promise<unknown>} no call comes between a part and the call that needs it */ #turn = Promise.resolve();
  /** @type {Set<string>} what the model's own file holds */ #own;
  /** @type {import('./client.js').Client} */ #client;
  /** @type {import('./types').ModelInfo} */ #info;
  /** @type {import('./types').LoadOptions} */ #options;
  /** @type {((path: string) => Promise<Bytes>) | undefined} */ #readFile;

  /**
   * @param {import('./client.js').Client} client a worker with the studio core and the model
   * @param {import('./types').ModelInfo} info gains what the parts say
   * @param {import('./types').LoadOptions} options of the model
   * @param {(path: string) => Promise<Bytes>} [readFile]
   */
  constructor(client, info, options, readFile) {
    this.#client = client;
    this.#info = info;
    this.#options = options;
    this.#readFile = readFile;
    this.#own = new Set(Object.keys(info));
  }

  /**
   * A call that needs a part of the model.
   * @param {Part} part @param {ModelInput | undefined} from where the part is, if not beside the model
   * @param {string} op @param {any} args @param {CallOptions} [options]
   */
  async call(part, from, op, args, options) {
    const signal = options?.signal;
    const bytes = from === undefined && this.#own.has(part) ? undefined : await this.#bytes(part, from, options);
    const { channel } = await this.#client.ready();
    const posted = this.#turn.then(async () => {
      if (bytes) await this.#add(channel, part, bytes);
      throwIfAborted(signal);
      return { answer: channel.call(op, args, options) };
    });
    this.#turn = posted.catch(() => {});
    return (await unlessAborted(posted, signal)).answer;
  }

  /** @param {Channel} channel @param {Part} part @param {Bytes} bytes */
  async #add(channel, part, bytes) {
    const given = this.#given.get(channel) ?? new Map();
    this.#given.set(channel, given);
    if (given.get(part) === bytes) return;
    const { [part]: said } = await channel.call('add', { bytes: await copyOf(bytes) });
    given.set(part, bytes);
    Object.assign(this.#info, { [part]: said });
  }

  /** The bytes of a part; the download goes on if one caller gives up. @param {Part} part @param {ModelInput | undefined} from @param {CallOptions} [options] */
  async #bytes(part, from, { signal, onProgress } = {}) {
    throwIfAborted(signal);
    let held = this.#held.get(part);
    if (!held || held.from !== from) {
      held = { from, bytes: this.#find(part, from, onProgress) };
      this.#held.set(part, held);
      held.bytes.catch(() => this.#held.get(part) === held && this.#held.delete(part));
    }
    return unlessAborted(held.bytes, signal);
  }

  /** @param {Part} part @param {ModelInput | undefined} from @param {CallOptions['onProgress']} onProgress @returns {Promise<Bytes>} */
  async #find(part, from, onProgress) {
    const { fetch, cache, timeout } = this.#options;
    const options = { fetch, cache, timeout, onProgress };
    if (from !== undefined) return modelBytes(from, options, this.#readFile);
    const address = partAddress(this.#options.model, part);
    const lacks = `The model "${this.#info.name}" has no ${part}`;
    if (!address)
      throw new TesseraeError('ERR_MODEL', `${lacks}, and it did not come from a place to look for one. Give the file as option part, or take the model "photo".`);
    return fileOf(address, options, this.#readFile).catch((error) => {
      throw new TesseraeError(error.code ?? 'ERR_LOAD', `${lacks} in its file, and none was found beside it: ${error.message} Give the file as option part, or take the model "photo".`, {
        url: address.url,
        cause: error,
      });
    });
  }
}

/** What a promise gives, unless the signal comes first. @template T @param {Promise<T>} promise @param {AbortSignal} [signal] @returns {Promise<T>} */
function unlessAborted(promise, signal) {
  if (!signal) return promise;
  /** @type {() => void} */
  let stop = () => {};
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
