/**
 * Helpers of a core with shared memory: workers that run the same module on the same memory, each on a stack of its own,
 * and take pieces of the core's work (src/base/parallel_wasm.c). Nothing waits for a helper that does not come.
 */
import { instantiate } from './wasm.js';

const STACK_BYTES = 256 << 10;
const ARRIVAL_MS = 3000;

/**
 * @typedef {{module: WebAssembly.Module, memory: WebAssembly.Memory, stack: number, worker: number}} HelpArgs
 * Starts a worker like this one, gives it a message, and says once whether it came to help.
 * @typedef {(message: {help: HelpArgs}, heard: (came: boolean) => void) => void} Spawn
 */

/**
 * In a helper: joins a core's work and stays there.
 * @param {HelpArgs} args @param {(message: {helps: boolean}) => void} post
 */
export async function help({ module, memory, stack, worker }, post) {
  const run = await instantiate(module, memory).catch(() => undefined);
  post({ helps: Boolean(run) });
  if (!run) return;
  run.__stack_pointer.value = stack;
  try {
    run.ts_helper_run(worker);
  } catch {
    run.ts_helper_lost();
  }
}

/**
 * Starts up to `count` helpers for a core and waits a little for them.
 * @param {import('./core.js').Core} core
 * @param {WebAssembly.Module} module
 * @param {number} count
 * @param {Spawn} spawn
 * @returns {Promise<number>} how many have come
 */
export async function hire(core, module, count, spawn) {
  const { memory } = core;
  const arrivals = Array.from({ length: count }, async (_, i) => {
    const stack = core.alloc(STACK_BYTES) + STACK_BYTES;
    return new Promise((resolve) => {
      const late = setTimeout(resolve, ARRIVAL_MS, false);
      spawn({ help: { module, memory, stack, worker: i + 1 } }, (came) => {
        clearTimeout(late);
        resolve(came);
      });
    }).catch(() => false);
  });
  return (await Promise.all(arrivals)).filter(Boolean).length;
}
