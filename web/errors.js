/** The one error class of the package, and its form on the wire between threads. */

/** An error with a stable `code`, a sentence that says what to do, and the `url` it is about, if there is one. */
export class TesseraeError extends Error {
  /**
   * @param {import('./types').ErrorCode} code
   * @param {string} message what is wrong and what to do
   * @param {{url?: string, cause?: unknown}} [options]
   */
  constructor(code, message, { url, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TesseraeError';
    this.code = code;
    if (url !== undefined) this.url = String(url);
  }
}

/** @typedef {{code: string, message: string, url?: string, fatal?: boolean}} WireError */

/** Any thrown value as plain data. A trap inside WebAssembly leaves its memory in doubt: `fatal` asks for a new worker.
 * @param {any} error @returns {WireError} */
export function toWire(error) {
  if (error instanceof TesseraeError) return { code: error.code, message: error.message, url: error.url };
  if (error instanceof WebAssembly.RuntimeError) {
    return {
      code: 'ERR_WORKER',
      message: `The core stopped: ${error.message}. The next call starts a fresh one.`,
      fatal: true,
    };
  }
  if (error instanceof RangeError) {
    return {
      code: 'ERR_MEMORY',
      message: `Memory is out (${error.message}); use a smaller picture or close other pages.`,
      fatal: true,
    };
  }
  return { code: 'ERR_WORKER', message: `Unexpected fault in the worker: ${error?.stack ?? error}`, fatal: true };
}

/** @param {WireError} wire */
export function fromWire(wire) {
  return new TesseraeError(/** @type {any} */ (wire.code), wire.message, { url: wire.url });
}

/** What a cancelled call rejects with where no signal gave a reason. @param {string} message */
export function abortError(message) {
  return new DOMException(message, 'AbortError');
}

/** @param {AbortSignal | undefined} signal */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw signal.reason;
}
