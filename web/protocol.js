/**
 * Every message between the page's side (channel.js) and the core's side (server.js), and what each one transfers.
 *
 *   to the core    { id, op, args }         a request; `op` is a key of OPS
 *                  { cancel: id }           stop that request between two steps; it is still answered
 *                  { ping: true }           answered by { pong: true } as soon as no step is under way (watchdog.js)
 *                  { help }                 instead of anything else: be a helper of another core (crew.js)
 *   from the core  { hello: version }       once, when the other side listens
 *                  { id, progress }         any number, in order, before the answer
 *                  { id, value }            the answer, or
 *                  { id, error }            a WireError (errors.js)
 *                  { pong: true }           a sign of life
 *
 * An unknown op is answered with an error, so no caller waits for ever.
 *
 * @typedef {{id: number, op: string, args: any}} Request
 * @typedef {{cancel: number}} Cancel
 * @typedef {{hello: string} | {pong: true} | {id: number, progress: any} | {id: number, value: any}
 *   | {id: number, error: import('./errors.js').WireError}} Reply
 * @typedef {{data: Uint8ClampedArray | Uint8Array, width: number, height: number, channels: 1 | 3 | 4}} Pixels
 * @typedef {{width: number, height: number, levels: number, size: number, data: Uint16Array,
 *   pixelWidth: number, pixelHeight: number}} Tokens
 * @typedef {{width: number, height: number, dim: number, data: Float32Array,
 *   pixelWidth: number, pixelHeight: number}} Latents
 * @typedef {{width: number, height: number, pixelWidth: number, pixelHeight: number}} Grid of tokens, and its picture
 * @typedef {{net: Uint8Array, heads: Uint8Array}} FeatureNet safetensors
 * @typedef {'codec' | 'studio'} CoreKind which functions a core has: the codec's, or all (cmake/exports.cmake)
 * @typedef {Partial<Record<import('./types').BuildName | `studio-${import('./types').BuildName}`, string>>} WasmURLs
 * @typedef {{kind?: CoreKind, module?: WebAssembly.Module, bytes?: ArrayBuffer | Uint8Array, wasmURL?: string, fallback?: WasmURLs,
 *   timeout: number, backend?: import('./types').LoadOptions['backend'], threads?: number | 'auto', workers?: number}} InitArgs
 */

const pixels = (/** @type {any} */ a) => (a.transfer ? [a.pixels.data.buffer] : []);
const none = () => [];

/**
 * The ops. `sends`: buffers of the arguments that move to the core; `returns`: buffers of the answer that move back.
 * `serial`: jobs that share the handles of a core, run one after another in the order of arrival.
 * @type {Record<string, {serial?: boolean, sends: (args: any) => any[], returns: (value: any) => any[]}>}
 */
export const OPS = {
  /** InitArgs -> { build, threads, note? } */
  init: { sends: none, returns: none },
  /** { bytes } -> { info, codebooks: Float32Array[] }; the core keeps one model, the last one loaded */
  load: { sends: (a) => [a.bytes.buffer], returns: (v) => v.codebooks.map((/** @type {Float32Array} */ c) => c.buffer) },
  /** { bytes } of a part -> ModelInfo of the loaded model with it */
  add: { serial: true, sends: (a) => [a.bytes.buffer], returns: none },
  /** { bytes, more?, convert? } -> { info, file? }; keeps nothing */
  inspect: { sends: none, returns: (v) => (v.file ? [v.file.buffer] : []) },
  /** { pixels, transfer, options, measure } -> { bytes, tokens, ms, measures? } */
  encode: { serial: true, sends: pixels, returns: (v) => [v.bytes.buffer, v.tokens.data.buffer] },
  /** { pixels, transfer, options } -> Tokens */
  tokenize: { serial: true, sends: pixels, returns: (v) => [v.data.buffer] },
  /** { bytes, options, tiles } -> Pixels and { damaged }; progress may hold { tile, x, y } */
  decode: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { bytes, options } -> Tokens of a file */
  tokens: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { bytes, options } -> { width, height, levels, data: Float32Array }: bits that each token of a file takes */
  bits: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { tokens, options, tiles } -> Pixels */
  detokenize: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { pixels, transfer, part? } -> Latents */
  encodeLatents: { serial: true, sends: pixels, returns: (v) => [v.data.buffer] },
  /** { latents, options, tiles } -> Pixels */
  decodeLatents: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { latents or tokens, options, tokensOnly, region, defaults } -> { bytes?, tokens } */
  encodeGrid: {
    serial: true,
    sends: none,
    returns: (v) => [v.tokens.data.buffer, ...(v.bytes ? [v.bytes.buffer] : [])],
  },
  /** { count, seed, prompt, options, grid, given? } -> undefined; progress holds { sample }: a GenerateStep without preview */
  sample: { serial: true, sends: none, returns: none },
  /** { pixels, transfer, mask, samples, seed, options } -> Pixels[] */
  inpaint: {
    serial: true,
    sends: pixels,
    returns: (v) => v.map((/** @type {Pixels} */ p) => p.data.buffer),
  },
  /** { pixels, transfer, options } -> Pixels */
  upscale: { serial: true, sends: pixels, returns: (v) => [v.data.buffer] },
  /** { tokens, level, y, x, count, prompt, options } -> { token, probability }[] */
  alternatives: { serial: true, sends: none, returns: none },
  /** { a, b, t } Tokens of one shape -> Tokens */
  interpolate: { serial: true, sends: none, returns: (v) => [v.data.buffer] },
  /** { encode, width, height } -> { tile, window }[] */
  tiles: { sends: none, returns: none },
  /** { a, b, features? } Pixels of one size -> { mse, psnr, ssim, msSsim, lpips? } */
  compare: { serial: true, sends: none, returns: none },
  /** { config } or { checkpoint }, { features? } -> { step, steps } */
  'trainer.create': { sends: none, returns: none },
  /** { bytes } of a model to start from -> undefined */
  'trainer.init': { sends: none, returns: none },
  /** { pixels, transfer, validation } -> undefined */
  'trainer.add': { sends: pixels, returns: none },
  /** { steps, every, lr?: Float64Array } -> { step }; progress holds the figures of a step */
  'trainer.run': { sends: none, returns: none },
  /** Ends the run that is under way after the step it is in; the run is answered as usual. */
  'trainer.stop': { sends: none, returns: none },
  /** { values: Record<string, number> } -> undefined */
  'trainer.set': { sends: none, returns: none },
  /** { count } -> { input, output, tokens }[] */
  'trainer.preview': {
    sends: none,
    returns: (v) =>
      v.flatMap((/** @type {any} */ p) => [p.input.data.buffer, p.output.data.buffer, p.tokens.data.buffer]),
  },
  /** { level } -> Uint32Array */
  'trainer.usage': { sends: none, returns: (v) => [v.buffer] },
  'trainer.checkpoint': { sends: none, returns: (v) => [v.buffer] },
  /** { half } -> Uint8Array, a model file */
  'trainer.model': { sends: none, returns: (v) => [v.buffer] },
};
