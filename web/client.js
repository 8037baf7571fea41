/** A worker that is started when first needed, started again after it died, and set up the same way each time. */
import { abortError, TesseraeError } from './errors.js';

/**
 * @typedef {{channel: import('./channel.js').Channel, backend: import('./types').Backend}} Started
 */

export class Client {
  /**
   * @param {() => Promise<Started>} start spawns a worker with its core ready
   * @param {(channel: import('./channel.js').Channel) => Promise<any>} [setup] what every new worker needs
   */
  constructor(start, setup) {
    this.start = start;
    this.setup = setup;
    /** @type {Promise<Started & {made: any}> | undefined} */
    this.starting = undefined;
    /** @type {import('./channel.js').Channel | undefined} */
    this.channel = undefined;
    this.disposed = false;
    this.load = 0; // calls in flight
  }

  /** The running worker, and what its set-up returned; a failed start is not kept. */
  ready() {
    if (this.disposed)
      return Promise.reject(new TesseraeError('ERR_DISPOSED', 'This was disposed of; make a new one.'));
    if (this.starting && this.channel && !this.channel.open) this.starting = undefined;
    this.starting ??= this.begin().catch((error) => {
      this.starting = undefined;
      throw error;
    });
    return this.starting;
  }

  async begin() {
    this.channel = undefined;
    const { channel, backend } = await this.start();
    try {
      if (this.disposed) throw abortError('Disposed of while starting.');
      this.channel = channel;
      return { channel, backend, made: await this.setup?.(channel) };
    } catch (error) {
      channel.close(error);
      throw error;
    }
  }

  /**
   * @param {string} op
   * @param {any} args
   * @param {import('./channel.js').CallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(op, args, options) {
    this.load++;
    try {
      return await (await this.ready()).channel.call(op, args, options);
    } finally {
      this.load--;
    }
  }

  /** Ends the worker; pending calls reject with AbortError. */
  dispose() {
    this.disposed = true;
    this.channel?.close(abortError('Disposed of while a call was pending.'));
  }
}
