/**
 * The workers of a codec. Calls go to the one with the least to do; a large picture is cut along the core's own work
 * tiles, so that several workers share it and no bit of the result depends on how many there are.
 */
import { throwIfAborted } from './errors.js';

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {import('./channel.js').CallOptions} CallOptions
 * @typedef {import('./protocol.js').Pixels} Pixels
 * @typedef {import('./protocol.js').Tokens} Tokens
 * @typedef {import('./protocol.js').Latents} Latents
 * @typedef {import('./client.js').Client} Client
 * @typedef {{client: Client, rect: Rect, window: Rect}} Part the worker's pixels, and those that it has to see for them
 */

/** Entropy tiles have this many latents along a side: tokens of two of them do not depend on each other. */
const ENTROPY_TILE = 64;
/** How far along an encoding is after its latents, and after its tokens. */
const LATENTS = 0.7;
const TOKENS = 0.95;

export class Pool {
  /** @param {Client[]} clients @param {number} factor pixels along a side of a latent */
  constructor(clients, factor) {
    this.clients = clients;
    this.factor = factor;
  }

  /** A call on the worker with the least to do. @param {string} op @param {any} args @param {CallOptions} [options] */
  call(op, args, options) {
    return this.clients.reduce((least, next) => (next.load < least.load ? next : least)).call(op, args, options);
  }

  /**
   * The idle workers, each with a part of a picture's work tiles; empty where there is nothing to share.
   * @param {boolean} encode
   * @param {{width: number, height: number}} picture
   * @param {Rect} [region]
   * @returns {Promise<Part[]>}
   */
  async deal(encode, { width, height }, region = { x: 0, y: 0, width, height }) {
    const idle = this.clients.filter(({ load }) => load === 0);
    if (idle.length < 2) return [];
    /** @type {{tile: Rect, window: Rect}[]} */
    const tiles = await idle[0].call('tiles', { encode, width, height });
    const wanted = tiles
      .map(({ tile, window }) => ({ tile: overlap(tile, region), window }))
      .filter(({ tile }) => tile.width > 0 && tile.height > 0);
    const parts = wanted.length > 1 ? share(wanted, idle.length) : [];
    return parts.length < 2
      ? []
      : parts.map((part, i) => ({
          client: idle[i],
          rect: hull(part.map(({ tile }) => tile)),
          window: hull(part.map(({ window }) => window)),
        }));
  }

  /**
   * Decodes a picture of known size; undefined where one worker should.
   * @param {string} op @param {any} args @param {{width: number, height: number}} picture
   * @param {CallOptions & {onTile?: (tile: any) => void}} options
   * @returns {Promise<(Pixels & {damaged: number}) | undefined>}
   */
  async paint(op, args, picture, { signal, onProgress }) {
    const all = overlap(args.options.region ?? { x: 0, y: 0, ...picture }, { x: 0, y: 0, ...picture });
    const parts = await this.deal(false, picture, all);
    if (!parts.length) return undefined;
    const data = new Uint8ClampedArray(all.width * all.height * 4);
    const found = await together(
      parts.map(({ client, rect }) => async (options) => {
        const moved = (/** @type {any} */ p) => ({ x: p.x + rect.x - all.x, y: p.y + rect.y - all.y });
        const part = await client.call(
          op,
          { ...args, options: { ...args.options, region: rect } },
          {
            ...options,
            onProgress: (p) => options.onProgress(p.tile ? { ...p, tile: { ...p.tile, ...moved(p.tile) } } : p),
          },
        );
        const { x, y } = moved({ x: 0, y: 0 });
        for (let row = 0; row < part.height; row++)
          data.set(
            part.data.subarray(row * part.width * 4, (row + 1) * part.width * 4),
            ((y + row) * all.width + x) * 4,
          );
        return part.damaged;
      }),
      { signal, onProgress },
    );
    if (found.some((damaged) => damaged > 0)) return undefined; // what stands in for lost tiles is seen from all of them
    return { data, width: all.width, height: all.height, channels: 4, damaged: 0 };
  }

  /**
   * What the encoder makes of a picture; undefined where one worker should.
   * @param {Pixels} pixels @param {CallOptions} options
   * @returns {Promise<Latents | undefined>}
   */
  async encodeLatents(pixels, options) {
    const parts = await this.deal(true, pixels);
    return parts.length ? latentsOf(pixels, parts, options) : undefined;
  }

  /**
   * Encodes an opaque picture; undefined where one worker should.
   * @param {Pixels} pixels
   * @param {any} encoding its options
   * @param {boolean} tokensOnly
   * @param {CallOptions} options
   * @returns {Promise<{bytes?: Uint8Array, tokens: Tokens, ms: number} | undefined>}
   */
  async encode(pixels, encoding, tokensOnly, { signal, onProgress }) {
    const start = performance.now();
    const parts = await this.deal(true, pixels);
    if (!parts.length || !(await isOpaque(pixels, encoding.alpha))) return undefined;
    const report = (/** @type {number} */ from, /** @type {number} */ to) => ({
      signal,
      onProgress: (/** @type {any} */ p) => onProgress?.({ ...p, done: from + (to - from) * p.done }),
    });
    const latents = await latentsOf(pixels, parts, report(0, LATENTS));
    const rest = { latents, options: encoding, tokensOnly };
    const searches = encoding.bpp !== undefined || encoding.targetSize !== undefined;
    const tiles = searches ? [] : entropyTiles(pixels, this.factor * ENTROPY_TILE);
    const shares = share(tiles, parts.length);
    /** @type {any} */
    let tokens;
    if (shares.length < 2) return timed(await parts[0].client.call('encodeGrid', rest, report(LATENTS, 1)), start);
    await together(
      shares.map((some, i) => async (options) => {
        const args = { ...rest, tokensOnly: true, region: hull(some.map(({ tile }) => tile)), defaults: !tokensOnly };
        const made = await parts[i].client.call('encodeGrid', args, options);
        tokens = merge(tokens, made.tokens);
      }),
      report(LATENTS, TOKENS),
    );
    if (tokensOnly) return timed({ tokens }, start);
    const last = { tokens, options: { predict: encoding.predict } };
    return timed(await parts[0].client.call('encodeGrid', last, report(TOKENS, 1)), start);
  }
}

/**
 * The latents of a picture, of which each worker makes its part.
 * @param {Pixels} pixels @param {Part[]} parts @param {CallOptions} options
 * @returns {Promise<Latents>}
 */
async function latentsOf(pixels, parts, options) {
  const { width, height } = pixels;
  /** @type {any} */
  let latents;
  await together(
    parts.map(({ client, rect, window }) => async (its) => {
      const part = { ...window, picture: { width, height }, region: rect };
      const made = await client.call('encodeLatents', { pixels: crop(pixels, window), transfer: true, part }, its);
      latents = merge(latents, made);
    }),
    options,
  );
  return latents;
}

/** @param {any} answer @param {number} start */
const timed = (answer, start) => ({ ...answer, ms: performance.now() - start });

/**
 * Runs jobs side by side: their progress is averaged, and the first failure cancels the others.
 * @template T
 * @param {((options: Required<CallOptions>) => Promise<T>)[]} jobs
 * @param {CallOptions} options
 */
async function together(jobs, { signal, onProgress }) {
  throwIfAborted(signal);
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const done = jobs.map(() => 0);
  try {
    return await Promise.all(
      jobs.map((job, i) =>
        job({
          signal: stop.signal,
          onProgress(p) {
            done[i] = p.done;
            onProgress?.({ ...p, done: done.reduce((sum, v) => sum + v) / jobs.length });
          },
        }),
      ),
    );
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Cuts a grid of tiles into at most `n` rectangles of tiles, as even as straight cuts make them.
 * @template {{tile: Rect}} T
 * @param {T[]} tiles
 * @param {number} n
 * @returns {T[][]}
 */
export function share(tiles, n) {
  if (n < 2 || tiles.length < 2) return tiles.length ? [tiles] : [];
  const area = (/** @type {T[]} */ some) => some.reduce((sum, { tile }) => sum + tile.width * tile.height, 0);
  const half = n >> 1;
  let best = { cost: Infinity, cut: [tiles] };
  for (const axis of /** @type {const} */ (['y', 'x'])) {
    for (const at of new Set(tiles.map(({ tile }) => tile[axis]))) {
      const cut = [tiles.filter(({ tile }) => tile[axis] < at), tiles.filter(({ tile }) => tile[axis] >= at)];
      const cost = Math.max(area(cut[0]) / half, area(cut[1]) / (n - half));
      if (cut[0].length && cost < best.cost) best = { cost, cut };
    }
  }
  return best.cut.length < 2 ? best.cut : [...share(best.cut[0], half), ...share(best.cut[1], n - half)];
}

/** @param {{width: number, height: number}} picture @param {number} side in pixels */
function entropyTiles({ width, height }, side) {
  const tiles = [];
  for (let y = 0; y < height; y += side)
    for (let x = 0; x < width; x += side)
      tiles.push({ tile: { x, y, width: Math.min(side, width - x), height: Math.min(side, height - y) } });
  return tiles;
}

/** @param {Rect} a @param {Rect} b @returns {Rect} */
function overlap(a, b) {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  return { x, y, width: Math.min(a.x + a.width, b.x + b.width) - x, height: Math.min(a.y + a.height, b.y + b.height) - y };
}

/** @param {Rect[]} rects @returns {Rect} */
function hull(rects) {
  const x = Math.min(...rects.map((r) => r.x));
  const y = Math.min(...rects.map((r) => r.y));
  const right = Math.max(...rects.map((r) => r.x + r.width));
  const bottom = Math.max(...rects.map((r) => r.y + r.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** Fills the zeros of one grid with what the other has there; each value comes from one part, a negative zero or NaN too.
 * @template {{data: any}} T @param {T | undefined} grid @param {T} part @returns {T} */
function merge(grid, part) {
  if (!grid) return part;
  for (let i = 0; i < part.data.length; i++) if (!Object.is(part.data[i], 0)) grid.data[i] = part.data[i];
  return grid;
}

/** @param {Pixels} pixels @param {Rect} rect @returns {Pixels} */
function crop({ data, width: stride, channels }, { x, y, width, height }) {
  const part = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * stride + x) * channels;
    part.set(data.subarray(from, from + width * channels), row * width * channels);
  }
  return { data: part, width, height, channels };
}

/** Whether there is no alpha to keep. Lets the page breathe now and then. @param {Pixels} pixels @param {string} [alpha] */
async function isOpaque({ data, channels }, alpha) {
  if (channels !== 4 || alpha === 'drop') return channels !== 1;
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] !== 255) return false;
    if (!((i + 1) % (1 << 24))) await new Promise((resolve) => setTimeout(resolve));
  }
  return true;
}
