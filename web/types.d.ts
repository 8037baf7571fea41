/// <reference lib="esnext.disposable" />
/* The public API of the package: one surface for browser, worker, Node, Deno and Bun; only the loaders differ. */

// ---------- inputs and outputs
/** 8-bit sRGB, interleaved, rows top to bottom; channels is 1 (grey), 3 (RGB) or 4 (RGBA, straight alpha), by default what the length says. */
export interface PixelData { data: Uint8ClampedArray | Uint8Array; width: number; height: number; channels?: 1 | 3 | 4 }
/**
 * Anything a page or a Node script has at hand. Encoded pictures (Blob, bytes, URL, path) are decoded by the platform in
 * a browser; in Node by the built-in PNG and PPM reader, or by `sharp` where it is installed.
 */
export type ImageInput = PixelData | ImageData | ImageBitmap | Blob | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | VideoFrame
  | ArrayBuffer | Uint8Array | URL | string;
export type BytesInput = ArrayBuffer | ArrayBufferView | Blob | Response | ReadableStream<Uint8Array>;

// ---------- options every call takes
export interface TaskOptions {
  /** Rejects with signal.reason (AbortError) at once; the core stops between two steps, tens of milliseconds later. */
  signal?: AbortSignal;
  onProgress?: (p: Progress) => void;
  /** Move the pixel buffer instead of copying it (the caller's array is detached). */
  transfer?: boolean;
}
export type Progress =
  | { status: 'download'; file: string; loaded: number; total: number | undefined }
  | { status: 'download-total'; loaded: number; total: number | undefined; files: Record<string, { loaded: number; total?: number }> }
  | { status: 'ready'; backend: Backend }
  | { status: 'work'; stage: 'encode' | 'decode' | 'sample' | 'inpaint' | 'upscale'; done: number; total: number };
export interface Backend {
  where: 'worker' | 'blob-worker' | 'inline-worker' | 'same-thread' | 'node-worker' | 'node';
  /** Which WebAssembly build runs. */
  build: 'relaxed' | 'simd128' | (string & {});
  simd: boolean;
  workers: number;
  /** Threads of each worker, itself counted. */
  threads: number;
  /** Why it is not the build or the number of threads that would have been first choice. */
  note?: string;
  version: string;
}

// ---------- loading
export interface LoadOptions extends TaskOptions {
  /** A bundled model's name, a URL, bytes, or a Model. Default 'photo'. */
  model?: ModelInput;
  /** Workers to run: pictures are dealt out, and a large one is cut into parts. 0 = same thread. Default 1. Never needs SharedArrayBuffer. */
  workers?: number;
  /** Threads in each worker, on shared memory: in Node, and on pages that are cross-origin isolated. 'auto' (the default): the
   * cores of this machine, at most 8, shared out among the workers. Results never depend on it. */
  threads?: number | 'auto';
  /** The build to run; one that cannot run here is replaced by the next best, and `Backend.note` says why. Default 'auto'. */
  backend?: 'auto' | BuildName;
  /** Overrides for odd bundlers, CSPs and CDNs. */
  workerURL?: string | URL;
  /** The core to run: tesserae-*.wasm (the codec) or tesserae-studio-*.wasm (everything; a trainer, LPIPS, generate and upscale need it). */
  wasmURL?: string | URL;
  wasmModule?: WebAssembly.Module;
  fetch?: typeof fetch;
  /** Cache API bucket for models; false = none. Default 'tesserae-models-v1'. A full quota is not an error. */
  cache?: string | false;
  /** Give up loading when nothing has come for this many ms, with an error that names the URL. Default 30000. */
  timeout?: number;
  /** End a worker that says nothing for this many ms while a call is pending, the page itself running all the while: what is pending
   * rejects with ERR_WORKER, and the next call starts a fresh one. Longer than the longest step; Infinity: never. Default 60000, of a
   * trainer's worker 300000. */
  silence?: number;
}
export type BuildName = 'simd' | 'relaxed' | 'simd-threads' | 'relaxed-threads';
export function createCodec(options?: LoadOptions): Promise<Codec>;

export interface Codec extends AsyncDisposable {
  readonly model: ModelInfo;
  readonly backend: Backend;
  encode(image: ImageInput, options?: EncodeOptions): Promise<EncodeResult>;
  decode(file: BytesInput, options?: DecodeOptions): Promise<DecodedImage>;
  /** The tokens in a .tess file. */
  tokens(file: BytesInput, options?: TokensOptions): Promise<TokenGrid>;
  /** What each token of a .tess file takes of it, in bits: `data[(level * height + y) * width + x]`. Damaged parts count 0. */
  bits(file: BytesInput, options?: TaskOptions & { strict?: boolean }): Promise<BitGrid>;
  /** The .tess file of given tokens: what `tokens` reads. */
  pack(tokens: TokenGrid, options?: PackOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Tokens without entropy coding, for exploring, editing, priors. */
  tokenize(image: ImageInput, options?: TokenizeOptions): Promise<TokenGrid>;
  detokenize(tokens: TokenGrid, options?: DecodeOptions): Promise<DecodedImage>;
  /** What the encoder makes of a picture, ahead of any quantizer. */
  encodeLatents(image: ImageInput, options?: TaskOptions): Promise<LatentGrid>;
  /** A picture of latents, also of changed or invented ones. */
  decodeLatents(latents: LatentGrid, options?: RenderOptions): Promise<DecodedImage>;
  /**
   * Pictures that the model's prior makes up: `for await (const step of codec.generate({ prompt }))` tells of every step,
   * `await codec.generate({ prompt })` gives the pictures. Needs a model whose `tasks` have "generate".
   */
  generate(options?: GenerateOptions): Generation;
  /**
   * Parts of a picture filled, as many samples as asked for; pixels that are not masked stay as they are. What fills them is
   * copied from elsewhere in the picture, or made up by the model's prior, which may be a file beside the model
   * (NAME.prior.safetensors) that the first call in need of it fetches. Without a mask what is transparent is filled, and the
   * pictures are opaque.
   */
  inpaint(image: ImageInput, mask?: Mask | null, options?: InpaintOptions): Promise<ImageData[]>;
  /**
   * A picture two or four times as large. Needs a model whose `tasks` have "upscale"; its upscaler may be a file beside the
   * model (NAME.upscaler.safetensors), which the first call fetches, or be given as `part`.
   */
  upscale(image: ImageInput, options?: UpscaleOptions): Promise<ImageData>;
  /** What the model's prior thinks of one place when all other tokens are as they are: its likeliest codes, the likeliest first. */
  alternatives(tokens: TokenGrid, options: AlternativesOptions): Promise<{ token: number; probability: number }[]>;
  /** Tokens between those of two pictures of one size: (1 - t) times one's latents plus t times the other's, coded to the nearest
   * codes level by level. t 0 gives `from` back, 1 gives `to`. */
  interpolate(from: TokenGrid, to: TokenGrid, t: number, options?: TaskOptions): Promise<TokenGrid>;
  readonly codebook: Codebook;
  /** Frees WASM memory and ends the workers. Pending calls reject with AbortError. */
  dispose(): Promise<void>;
}

export interface PackOptions extends TaskOptions {
  /** Code the tokens with the model's predictors, integer nets that say how likely each code is at each place: the file is 10 to 12 %
   * smaller and takes longer to write and to read. Any build on any machine reads the same tokens from it, and decoding needs no
   * option. Default false. ERR_OPTION with a model that has none (`model.predictors` is 0). */
  predict?: boolean;
}
export interface EncodeOptions extends PackOptions {
  /** 0-100, as everywhere else. Excludes bpp and targetSize. Default 60. */
  quality?: number;
  /** Bits per pixel to aim at, whole file. */
  bpp?: number;
  /** Bytes, whole file. */
  targetSize?: number;
  /** 0 fast ... 9 slow. Default 4. */
  effort?: number;
  alpha?: 'keep' | 'drop';
  /** Also decode and report the distortion (what a demo shows). */
  measure?: boolean;
}
export interface TokensOptions extends TaskOptions { levels?: number; strict?: boolean }
export interface TokenizeOptions extends TaskOptions { quality?: number; effort?: number }
export interface EncodeResult {
  bytes: Uint8Array<ArrayBuffer>;
  readonly width: number; readonly height: number; readonly bpp: number;
  readonly tokens: TokenGrid;
  /** Time in the core: without loading, reading the input, and measuring. */
  readonly ms: number;
  /** With `measure`: dB, 0..1, 0..1. */
  readonly psnr?: number; readonly ssim?: number; readonly msSsim?: number;
  toBlob(): Blob;
}
/** `damaged`: tiles that had to be concealed. */
export type DecodedImage = ImageData & { readonly damaged: number };
export interface RenderOptions extends TaskOptions {
  /** In pixels; the part of it that lies in the picture is decoded. */
  region?: { x: number; y: number; width: number; height: number };
  /** Paint tiles as they come (progressive display). */
  onTile?: (tile: ImageData, x: number, y: number) => void;
}
export interface DecodeOptions extends RenderOptions {
  /** Decode only the first levels of the quantizer: a coarser picture, sooner. */
  levels?: number;
  /** Refuse a file with a damaged tile (ERR_CHECKSUM) instead of concealing the tile. */
  strict?: boolean;
}

/** What is to be filled: one value a pixel, row by row (0 or false keeps), or a picture of the same size, white where it is to be filled. */
export type Mask = ArrayLike<number | boolean> | { readonly data: Uint8Array | Uint8ClampedArray; readonly width: number; readonly height: number };
export interface InpaintOptions extends TaskOptions {
  /** "copy": from elsewhere in the picture; "prior": made up by the model; "auto" (default): by a transformer if the model has one,
   * else copied, unless all is masked. */
  method?: 'auto' | 'copy' | 'prior';
  /** How many fillings, made one after the other. Default 1. The first copy takes the best matches, whatever the seed; more are drawn among good ones. */
  samples?: number;
  /** Of the first one; the next ones take the numbers that follow. The same seed gives the same picture in one build. Default 1. */
  seed?: number;
  /** How freely is drawn: 0 always the best match or the likeliest code. Default 0.5. */
  temperature?: number;
  /** Of a prior: sampling steps of the coarsest level, 1 to 256, and half as many with each finer one. Default 12. */
  steps?: number;
  /** Of a prior: draw from this many likeliest codes only. Default 0: from all. */
  topK?: number;
  /** Of a prior: draw from the likeliest codes that make up this probability. Default 1. */
  topP?: number;
  /** Of a prior: make up only the first levels of the quantizer; 0: all that it knows. Default 3. */
  levels?: number;
  /** Pixels into the mask over which the filling takes on the colours around it. Default 0: all over it. */
  feather?: number;
  /** The model's prior, if it is neither in the model's file nor beside it: a URL, a path (Node) or bytes. */
  part?: ModelInput;
}
export interface UpscaleOptions extends TaskOptions {
  /** How many times as large along each side. Default 4. */
  factor?: 2 | 4;
  /** 0: smooth, the answer of least error. 1 (default): sharp, with details that may have been there; it says what the small picture says. Between: their mixture. */
  sharpness?: number;
  /** The model's upscaler, if it is neither in the model's file nor beside it: a URL, a path (Node) or bytes. */
  part?: ModelInput;
}
export interface GenerateOptions extends Pick<TaskOptions, 'signal' | 'onProgress'> {
  /** What the picture is to show, in words, for a prior with text (`model.prior.text`). Default: nothing in particular. */
  prompt?: string;
  /** The class, for a prior with classes: 0 to `model.prior.classes` - 1. Default: none. */
  label?: number;
  /** Pictures, made one after the other. Default 1. */
  count?: number;
  /** Of the first picture; the next ones take the numbers that follow. The same seed gives the same tokens in one build. Default 1. */
  seed?: number;
  /** Sampling steps, 1 to 256. Default 12. */
  steps?: number;
  /** How freely codes are drawn: 0 always the likeliest, 1 (default) as the prior thinks. */
  temperature?: number;
  /** Draw from this many likeliest codes only. Default 0: from all. */
  topK?: number;
  /** Draw from the likeliest codes that make up this probability. Default 1. */
  topP?: number;
  /** How much the prompt or label counts: logits = (1 + guidance) with it - guidance without it. Default 1. */
  guidance?: number;
  /** Which tokens settle first: the surest ones (default), or a fixed spread over the picture. */
  order?: 'halton' | 'confidence';
  /** Tokens of a picture to start from, and which of them stay (one value each, row by row): the others are made up anew. */
  condition?: TokenGrid;
  keep?: ArrayLike<number | boolean>;
}
/** Starts when first iterated or awaited. Leaving the loop ends it. */
export interface Generation extends AsyncIterable<GenerateStep>, PromiseLike<ImageData[]> {}
export interface GenerateStep {
  /** Which of the pictures, from 0. */
  index: number;
  /** Steps of this picture so far, of `total`: fewer than asked for where there are fewer tokens to make up. */
  done: number; total: number;
  /** Settled tokens, and the best guess at all others. */
  tokens: TokenGrid;
  /** 1 where the token is settled, row by row. */
  known: Uint8Array;
  /** The picture that `tokens` paint. */
  preview(): Promise<ImageData>;
}

export interface AlternativesOptions extends Pick<TaskOptions, 'signal'>, Pick<GenerateOptions, 'prompt' | 'label'> {
  /** As of generate. Default 0: the probabilities as they were trained. */
  guidance?: number;
  /** The place: column, row, and quantizer level (default 0). */
  x: number; y: number; level?: number;
  /** How many codes. Default 8. */
  count?: number;
  /** The model's prior, if it is neither in its file nor beside it. */
  part?: ModelInput;
}

/** Bits of each token: `data[(level * height + y) * width + x]`. */
export interface BitGrid {
  readonly width: number; readonly height: number; readonly levels: number;
  readonly data: Float32Array;
}
/** Codebook indices, `data[(level * height + y) * width + x]`. */
export interface TokenGrid {
  readonly width: number; readonly height: number; readonly levels: number;
  /** Codes per level. */
  readonly size: number;
  readonly data: Uint16Array;
  /** The picture's own size: the grid may reach past its right and bottom edge. */
  readonly pixelWidth: number; readonly pixelHeight: number;
  toJSON(): object;
}
/** Continuous latents, `data[(y * width + x) * dim + channel]`: plain data, to be changed and made at will. */
export interface LatentGrid {
  readonly width: number; readonly height: number; readonly dim: number;
  readonly data: Float32Array;
  /** The picture's own size: the grid may reach past its right and bottom edge. */
  readonly pixelWidth: number; readonly pixelHeight: number;
}
/** Makes a grid from plain parts, for instance from what toJSON gave. Checks lengths and ranges. */
export function tokenGrid(parts: { width: number; height: number; levels?: number; size: number; data: ArrayLike<number>; pixelWidth?: number; pixelHeight?: number }): TokenGrid;
export interface Codebook {
  /** Codes, length of a code vector, and the quantizer level they belong to (of `levels`). */
  readonly size: number; readonly dim: number; readonly index: number; readonly levels: number;
  /** The codebook of another quantizer level. */
  level(index: number): Codebook;
  vector(i: number): Float32Array;
  /** Decoded picture of one code alone. */
  patch(i: number, options?: TaskOptions): Promise<ImageData>;
  nearest(i: number, n?: number): { index: number; distance: number }[];
  usage(tokens: TokenGrid | TokenGrid[]): { counts: Uint32Array; used: number; perplexity: number; bits: number };
  /** x, y of every code on the two principal axes, [size][2]. */
  project(method?: 'pca'): Float32Array;
}

// ---------- one-shot forms (a shared, lazily made codec; what a README shows first)
export function encode(image: ImageInput, options?: EncodeOptions & Pick<LoadOptions, 'model'>): Promise<Uint8Array<ArrayBuffer>>;
export function decode(file: BytesInput, options?: DecodeOptions & Pick<LoadOptions, 'model'>): Promise<DecodedImage>;
/** Header only: no model, no WASM, a few microseconds. */
export function readInfo(file: ArrayBuffer | ArrayBufferView): FileInfo;
export interface FileInfo {
  format: 'tess'; version: number; width: number; height: number; alpha: boolean;
  /** The fingerprint; the name is empty until a model of that fingerprint was loaded here. */
  model: { name: string; hash: string };
  /** What the tokens were coded with: the context model alone, or the model's predictors too (`predict`). */
  coder: 'context' | 'predictor';
  bytes: number; bpp: number;
  /** Columns and rows of the token grid; levels in the file; entropy tiles. */
  tokens: [number, number]; levels: number; tiles: number;
  /** False for a file that is cut short (it decodes to what is there). */
  whole: boolean;
}
/** Pictures in, one .tess file per picture out (Node: Readable.fromWeb / toWeb). */
export function encodeStream(options?: EncodeOptions & Pick<LoadOptions, 'model'>): TransformStream<ImageInput, Uint8Array>;
/** Reads any ImageInput as plain RGBA (or grey, RGB) pixels. */
export function readImage(image: ImageInput, options?: { signal?: AbortSignal; fetch?: typeof fetch }): Promise<PixelData>;

// ---------- models
export type ModelInput = 'photo' | 'avatars' | 'digits' | 'emoji' | (string & {}) | URL | BytesInput | Model;
export interface ModelInfo {
  name: string; hash: string;
  /** Fingerprints of older models whose .tess files this one decodes too. */
  reads: string[];
  params: number; bytes: number;
  codebook: { size: number; dim: number };
  factor: number; levels: number;
  /** How many levels have a predictor; 0: the option `predict` is not for this model. */
  predictors: number;
  /** How many tokens beyond its own place a token changes in the picture; -1: all of it. */
  reach: number;
  /** "compress": to tokens and .tess files; a model without a codebook (0 levels) only reconstructs, by its latents. "generate": makes tokens up.
   * "inpaint": fills parts of pictures (all do). "upscale": enlarges them; the part that does it may be a file beside a bundled model, fetched when it is first needed. */
  tasks: ('compress' | 'reconstruct' | 'generate' | 'inpaint' | 'upscale')[];
  prior?: PriorInfo;
  /** Of a model whose own file has one, and once the part beside it was fetched. */
  upscaler?: { params: number; factors: (2 | 4)[] };
  licence: string; trainedOn: string;
}
/** What makes tokens up: a masked transformer over grids of one size, [rows, columns], or a convolutional net over any. */
export interface PriorInfo {
  type: 'transformer' | 'conv'; params: number;
  /** Of the tokens it knows. */
  levels: number;
  /** Of a transformer. */
  grid?: [number, number];
  /** Does it take a prompt; how many classes does it know (0: none). */
  text: boolean; classes: number;
  /** Words and phrases that the prior was trained on, if the model's file has them; those to suggest come first. */
  vocabulary?: string[];
}
export interface Model {
  readonly info: ModelInfo;
  save(): Promise<Uint8Array<ArrayBuffer>>;
  toBlob(): Promise<Blob>;
  dispose(): void;
}
/** A model file, or a checkpoint of the field (docs/FORMAT.md, section 7), which becomes one; a pair where encoder and decoder are two files. */
export function loadModel(source: ModelInput | [ModelInput, ModelInput], options?: Pick<LoadOptions, 'cache' | 'fetch' | 'onProgress' | 'signal' | 'timeout'>): Promise<Model>;
export const models: { list(): Promise<{ name: string; bytes: number; cached: boolean }[]>; clear(name?: string): Promise<void> };

// ---------- training
export interface TrainerOptions extends Pick<LoadOptions, 'workerURL' | 'wasmURL' | 'wasmModule' | 'fetch' | 'timeout' | 'silence' | 'workers' | 'threads' | 'backend' | 'signal' | 'onProgress'> {
  data: Dataset;
  /** Pictures for previews and PSNR; default: the first eight of `data`. */
  validation?: Dataset;
  init?: ModelInput | 'random';
  /** Side of the training crops in pixels, a multiple of the net's factor. Default: the smallest picture's, at most 128. */
  size?: number;
  batch?: number; steps?: number;
  lr?: number | ((step: number) => number);
  codebook?: { size?: number; dim?: number; levels?: number; ema?: number; restartAfter?: number; commitment?: number };
  loss?: TrainerLoss;
  /**
   * A VQGAN: a discriminator judges the reconstructions. `true` or `{}`: in two phases, the first 70 % of the steps
   * without it, then with encoder and codes frozen, so that only the decoder learns. In a whole `config` the same goes
   * into "train"; `false` takes it out there.
   */
  adversarial?: boolean | TrainerAdversarial;
  augment?: { flip?: boolean };
  seed?: number;
  name?: string; licence?: string; trainedOn?: string;
  /** Channels of the nets made by the presets. Default 32 for crops up to 64 pixels, else 96. */
  width?: number;
  /** A whole model config (ARCHITECTURE.md, "Config"); the options above are laid over its "quantizer" and "train" parts. */
  config?: object;
  /** For the perceptual loss. */
  features?: FeatureNet;
}
export interface TrainerLoss {
  l1?: number; l2?: number; msSsim?: number; perceptual?: number; commitment?: number;
  /** Weight of the codes' entropy loss: sure choices, all codes in use. */
  entropy?: number;
  /** Weight of the adversarial loss and of feature matching within it; both need `adversarial`. */
  adversarial?: number; features?: number;
}
/** The adversary; what is left out is the core's default, but for `from`, `freeze` and the discriminator's layers, width and groups. */
export interface TrainerAdversarial extends LiveAdversarial {
  /** First step of the second phase. Default: 70 % of the steps. */
  from?: number;
  /** Steps over which the weight grows to its full size. Default 0. */
  ramp?: number;
  /** From then on encoder and codes stand still, and later models decode earlier files (ModelInfo.reads). Default true. */
  freeze?: boolean;
  /** What the adversary's gradient is balanced by: at the decoder's last layer ("layer", default), at the pixels, or not. */
  balance?: 'layer' | 'image' | 'none';
  loss?: 'hinge' | 'nonsaturating';
  /** Upper limit of the balancing weight. Default 10000. */
  limit?: number;
  /** PatchGAN. Layers 2 to 4 (default 3, below 48-pixel crops 2), width 8 to 512 (16, up to 64-pixel crops 12), groups 0 or a divisor of width (8, up to 64-pixel crops 4), scales 1 to 3 (1). */
  discriminator?: { layers?: number; width?: number; groups?: number; scales?: number };
}
/** What of the adversary may change during a run. */
export interface LiveAdversarial {
  /** Of the adversarial loss. Default 0.1. */
  weight?: number;
  /** The discriminator's learning rate. Default 2e-4. */
  lr?: number;
  /** Weights of the R1 and LeCam penalties on the discriminator, and of feature matching. Default 0. */
  r1?: number; lecam?: number; features?: number;
  /** The discriminator rests while it is right more often than this. Default 1: never. */
  gate?: number;
}
/** A figure of what this net or this stage of training does not have is 0: `bpp` before latents are quantized, `used` without a codebook. */
export interface TrainStep {
  step: number;
  /** 2 while a discriminator judges, before that 1. */
  phase: 1 | 2;
  /** `reconstruction`: of the image, all terms weighted. The rest unweighted; what was not measured is left out. */
  loss: {
    total: number; reconstruction: number; commitment: number; l1: number; l2: number; msSsim: number; perceptual?: number;
    entropy?: number; generator?: number; discriminator?: number; features?: number;
  };
  /** Phase 2: mean logits of pictures and reconstructions, the discriminator's accuracy in this step, the balancing weight, and its gradient's norm (0 while it rests). */
  gan?: { real: number; fake: number; accuracy: number; weight: number; gradNorm: number };
  psnr: number; bpp: number; perplexity: number; used: number; dead: number; lr: number;
  /** Steps left out because loss or gradient was not finite, and steps tried again for it in this session. */
  skipped: number; retried: number;
  /** A sign of collapse and its cure, while it lasts. */
  warning?: string;
  msPerStep: number; etaMs: number;
}
export interface Trainer extends EventTarget, AsyncDisposable {
  readonly state: 'idle' | 'running' | 'paused' | 'done' | 'failed';
  readonly step: number;
  /** Steps of the whole schedule. */
  readonly steps: number;
  readonly backend: Backend;
  /** for await (const s of trainer.run({ steps: 1000, every: 10 })) chart.push(s) */
  run(options?: { steps?: number; every?: number; signal?: AbortSignal }): AsyncIterable<TrainStep>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Takes effect from the next step on; a wrong value comes as an 'error' event. `steps`: of the whole schedule. */
  set(options: { lr?: number | ((step: number) => number); batch?: number; steps?: number; loss?: TrainerLoss; adversarial?: LiveAdversarial }): void;
  /** Codes that are not in use restart at latents of the next step; where codes stand still an 'error' event comes. */
  restartCodes(): void;
  /** Reconstructions of fixed validation pictures, for the live view. */
  preview(n?: number): Promise<{ input: ImageData; output: ImageData; tokens: TokenGrid }[]>;
  /** How often each code was used over the rolling window. */
  usage(level?: number): Promise<Uint32Array>;
  /** Everything a run goes on from, bit for bit: kept every so many steps, neither a crash nor a reload loses more than those. */
  checkpoint(): Promise<Uint8Array<ArrayBuffer>>;
  model(): Promise<Model>;
  addEventListener(type: 'step', listener: (e: CustomEvent<TrainStep>) => void, options?: AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: AddEventListenerOptions): void;
  dispose(): Promise<void>;
}
export function createTrainer(options: TrainerOptions): Promise<Trainer>;
/** The model config (ARCHITECTURE.md, "Config") that createTrainer makes of these options, to be shown, changed and given back as `config`. `pictures` decide the crop where `size` is left out. */
export function trainerConfig(options: Omit<TrainerOptions, 'data'>, pictures?: { width: number; height: number }[]): object;
/** Goes on from a checkpoint, bit for bit. `data` must be the same pictures in the same order. */
export function resumeTrainer(checkpoint: BytesInput, options: Partial<TrainerOptions> & Pick<TrainerOptions, 'data'>): Promise<Trainer>;
export type Dataset = Iterable<ImageInput> | AsyncIterable<ImageInput> | { length: number; get(i: number): Promise<ImageInput> };

// ---------- quality numbers (used by demo, CLI and tests alike)
/** What LPIPS looks through: SqueezeNet 1.1 and its heads, safetensors each; both may be one file. */
export interface FeatureNet { net: BytesInput; heads: BytesInput }
export interface Measures {
  /** Of values 0..255. */
  mse: number;
  /** dB. */
  psnr: number;
  ssim: number; msSsim: number;
  /** With `features`: how different the two look (Zhang et al. 2018). 0 = equal, lower is nearer. */
  lpips?: number;
}
/** Measures over RGB of two pictures of one size; LPIPS takes them from 17 pixels a side on. */
export function compare(a: ImageInput, b: ImageInput, options?: TaskOptions & { features?: FeatureNet }): Promise<Measures>;

// ---------- environment and errors
export function detect(): { wasm: boolean; simd: boolean; relaxed: boolean; threads: boolean; workers: boolean; offscreenCanvas: boolean; crossOriginIsolated: boolean; canvasReadable: Promise<boolean> };
export type ErrorCode = 'ERR_LOAD' | 'ERR_CSP' | 'ERR_TIMEOUT' | 'ERR_WORKER' | 'ERR_FORMAT' | 'ERR_VERSION' | 'ERR_MODEL' | 'ERR_CHECKSUM'
  | 'ERR_TOO_LARGE' | 'ERR_MEMORY' | 'ERR_OPTION' | 'ERR_INPUT' | 'ERR_STATE' | 'ERR_NUMERIC' | 'ERR_DISPOSED';
export class TesseraeError extends Error {
  constructor(code: ErrorCode, message: string, options?: { url?: string; cause?: unknown });
  readonly code: ErrorCode;
  readonly url?: string;
}
export const version: string;
