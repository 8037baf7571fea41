/** The page's side of the protocol over one worker (or one core on this thread): requests out, answers in. */
import { TesseraeError, fromWire, throwIfAborted } from './errors.js';
import { OPS } from './protocol.js';
import { SILENCE_MS, Watchdog } from './watchdog.js';

/**
 * What a platform gives for one worker. `listen` takes the two callbacks once; `dead` says why the worker is gone.
 * `hold` and `release` keep a Node process alive while calls are pending.
 * @typedef {{post: (message: any, transfer: any[]) => void, terminate: () => void, hold?: () => void,
 *   release?: () => void, listen: (message: (data: any) => void, dead: (reason: Error) => void) => void}} Port
 * @typedef {{signal?: AbortSignal, onProgress?: (p: any) => void}} CallOptions
 * @typedef {{resolve: (value: any) => void, reject: (reason: any) => void, onProgress?: (p: any) => void}} Pending
 */

export class Channel {
  /**
   * @param {Port} port
   * @param {number} [silence] how long the worker may say nothing while a call is pending, ms
   * @param {import('./watchdog.js').Every} [timer]
   */
  constructor(port, silence, timer) {
    this.port = port;
    const ask = () => this.port.post({ ping: true }, []);
    this.watchdog = new Watchdog({ ask, lost: () => this.close(hung(silence)) }, silence, timer);
    /** @type {Map<number, Pending>} */
    this.pending = new Map();
    this.lastId = 0;
    /** @type {any} why the channel is closed */
    this.reason = undefined;
    /** @type {Promise<string>} resolves with the worker's version once it listens */
    this.hello = new Promise((resolve, reject) => {
      this.greet = resolve;
      this.refuse = reject;
    });
    this.hello.catch(() => {});
    port.listen(
      (data) => this.receive(data),
      (reason) => this.close(reason),
    );
    port.release?.();
  }

  get open() {
    return this.reason === undefined;
  }

  /** @param {string} op @param {any} args @param {CallOptions} [options] @returns {Promise<any>} */
  call(op, args, { signal, onProgress } = {}) {
    return new Promise((resolve, reject) => {
      if (!this.open) throw this.reason;
      throwIfAborted(signal);
      const id = ++this.lastId;
      this.port.post({ id, op, args }, OPS[op].sends(args)); // throws where a buffer cannot be moved
      const abort = () => {
        this.port.post({ cancel: id }, []);
        this.settle(id)?.reject(signal?.reason);
      };
      const quiet = () => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort, { once: true });
      if (!this.pending.size) {
        this.port.hold?.();
        this.watchdog.start();
      }
      this.pending.set(id, {
        onProgress,
        resolve: (value) => {
          quiet();
          resolve(value);
        },
        reject: (reason) => {
          quiet();
          reject(reason);
        },
      });
    });
  }

  /** Takes a call off the list. @param {number} id */
  settle(id) {
    const call = this.pending.get(id);
    if (call) {
      this.pending.delete(id);
      if (!this.pending.size) {
        this.port.release?.();
        this.watchdog.stop();
      }
    }
    return call;
  }

  /** @param {any} data a Reply */
  receive(data) {
    this.watchdog.heard();
    if (data.pong) return;
    if (data.hello !== undefined) return this.greet?.(data.hello);
    if ('progress' in data) return this.pending.get(data.id)?.onProgress?.(data.progress);
    const call = this.settle(data.id);
    if (data.error) {
      const error = fromWire(data.error);
      call?.reject(error);
      if (data.error.fatal) this.close(error);
    } else {
      call?.resolve(data.value);
    }
  }

  /** Ends the worker and rejects what is pending. @param {any} reason */
  close(reason) {
    if (!this.open) return;
    this.reason = reason;
    this.port.terminate();
    this.refuse?.(reason);
    for (const id of [...this.pending.keys()]) this.settle(id)?.reject(reason);
  }
}

/** @param {number} [ms] */
const hung = (ms = SILENCE_MS) =>
  new TesseraeError(
    'ERR_WORKER',
    `The worker gave no sign of life for ${ms} ms and was ended; the next call starts a fresh one. If a single step takes that long here, raise the "silence" option.`,
  );

/**
 * Rejects with ERR_TIMEOUT if a promise takes longer than `ms`.
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @param {string} what
 * @param {string} url
 * @returns {Promise<T>} */
export function within(promise, ms, what, url) {
  /** @type {any} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new TesseraeError(
            'ERR_TIMEOUT',
            `${what} at ${url} did not come within ${ms} ms. Check the network, or raise the "timeout" option.`,
            { url },
          ),
        ),
      ms,
    );
  });
  return /** @type {any} */ (Promise.race([promise, late]).finally(() => clearTimeout(timer)));
}
