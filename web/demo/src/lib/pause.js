/** Hands the main thread back to the browser: long loops await it every few milliseconds so that input never waits. */
export function breathe() {
  return globalThis.scheduler?.yield ? scheduler.yield() : new Promise((resolve) => setTimeout(resolve));
}

/** A budget for a loop on the main thread: `await turn()` returns at once until `ms` are used up, then yields. */
export function slices(ms = 8) {
  let start = performance.now();
  return async () => {
    if (performance.now() - start < ms) return;
    await breathe();
    start = performance.now();
  };
}
