/**
 * Tells a worker that is at work from one that is gone for good: no event says that a worker hangs, and some deaths have none.
 * Silence is counted in beats of the page's own timer, not by a clock: a beat that a suspended machine, a background tab or
 * a busy page puts off is one beat, however late it comes, so a worker that slept along with its page is not missed.
 */

/** A worker may be silent for this many beats; */
const BEATS = 20;
/** after this many it is asked for a sign of life. */
const ASK_AFTER = 2;
const MOST_MS = 2 ** 31 - 1; // what timers take
/** How long a worker may be silent, ms: its longest step, the fitting of entropy tables, takes seconds on a slow phone. */
export const SILENCE_MS = 60000;

/** Calls at an interval; what it returns ends that. @typedef {(beat: () => void, ms: number) => () => void} Every */

/** A Node process is kept alive by its pending calls (`hold` of a port), not by the watch over them. @type {Every} */
const every = (beat, ms) => {
  /** @type {any} */
  const timer = setInterval(beat, ms);
  timer.unref?.();
  return () => clearInterval(timer);
};

export class Watchdog {
  #beats = 0; // since the last word
  /** @type {(() => void) | undefined} */ #stop;

  /**
   * @param {{ask: () => void, lost: () => void}} worker `ask` makes it send a word, `lost` is called once it stays silent
   * @param {number} [silence] ms, above 0; Infinity: for ever
   * @param {Every} [timer]
   */
  constructor(worker, silence = SILENCE_MS, timer = every) {
    this.worker = worker;
    this.ms = Math.min(silence / BEATS, MOST_MS);
    this.timer = timer;
  }

  /** From now on words are expected. */
  start() {
    this.heard();
    this.#stop ??= this.timer(() => this.#beat(), this.ms);
  }

  stop() {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** A word came. */
  heard() {
    this.#beats = 0;
  }

  #beat() {
    this.#beats++;
    if (this.#beats === ASK_AFTER) this.worker.ask();
    if (this.#beats < BEATS) return;
    this.stop();
    this.worker.lost();
  }
}
