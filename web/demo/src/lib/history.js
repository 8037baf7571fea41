/* Steps that can be taken back and done again: values that nobody changes. */

/** @template T @typedef {{ past: T[], now: T, future: T[] }} History */

export const begin = (now) => ({ past: [], now, future: [] });

/** Goes on to `next`. The oldest steps are forgotten until `fits(all)` says yes to what is left; the one before stays. */
export function go({ past, now }, next, fits = () => true) {
  const before = [...past, now];
  while (before.length > 1 && !fits([...before, next])) before.shift();
  return { past: before, now: next, future: [] };
}

export function back({ past, now, future }) {
  return past.length ? { past: past.slice(0, -1), now: past.at(-1), future: [now, ...future] } : { past, now, future };
}

export function forward({ past, now, future }) {
  return future.length ? { past: [...past, now], now: future[0], future: future.slice(1) } : { past, now, future };
}
