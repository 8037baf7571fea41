// A strict TypeScript consumer of the package: compiled by types.test.mjs, never run.
import { compare, createCodec, createTrainer, decode, detect, encode, encodeStream, loadModel, models, readInfo, resumeTrainer, TesseraeError, tokenGrid, version } from 'tesserae';
import type { Backend, Codec, EncodeResult, FileInfo, ImageInput, Model, Progress, TokenGrid, Trainer, TrainStep } from 'tesserae';
import { wasm, workerSource } from 'tesserae/inline';

export async function compress(image: ImageInput, signal: AbortSignal): Promise<Blob> {
  await using codec: Codec = await createCodec({ model: 'photo', workers: 2, onProgress: (p: Progress) => p.status === 'download' && p.loaded });
  const result: EncodeResult = await codec.encode(image, { quality: 50, predict: true, measure: true, signal });
  const decibels: number | undefined = result.psnr;
  const picture: ImageData = await codec.decode(result.bytes, { region: { x: 0, y: 0, width: 8, height: 8 }, onTile: (tile, x, y) => tile.width + x + y });
  const grid: TokenGrid = tokenGrid(JSON.parse(JSON.stringify(await codec.tokenize(image))));
  const damaged: number = (await codec.detokenize(grid)).damaged;
  const backend: Backend = codec.backend;
  const nearest: { index: number; distance: number }[] = codec.codebook.level(1).nearest(3);
  for await (const { index, tokens, preview } of codec.generate({ prompt: 'a hat', count: 2, keep: [true], condition: grid })) if (index && tokens.size) await preview();
  const large: ImageData = await codec.upscale(image, { factor: 2, sharpness: 0.5, part: 'x.safetensors', onProgress: (p) => p.status === 'work' && p.stage === 'upscale' });
  if (codec.model.tasks.includes('upscale') && codec.model.upscaler?.factors.includes(4)) console.log(large.width);
  const [made]: ImageData[] = await codec.generate({ label: 1, order: 'confidence' });
  const alternatives: { token: number; probability: number }[] = await codec.alternatives(grid, { x: 1, y: 2, count: 3, prompt: 'a hat' });
  const bits: Float32Array = (await codec.bits(await codec.pack(await codec.interpolate(grid, grid, 0.5), { predict: codec.model.predictors > 0 }))).data;
  const words: string[] | undefined = codec.model.prior?.vocabulary;
  // @ts-expect-error quality is a number
  await codec.encode(image, { quality: 'high' });
  // @ts-expect-error predict is true or false
  await codec.encode(image, { predict: 1 });
  // @ts-expect-error there is no such option
  await codec.encode(image, { qualty: 3 });
  return [made, alternatives, bits, words, decibels, picture, damaged, backend, nearest].length ? result.toBlob() : new Blob();
}

export async function learn(data: ImageInput[], store: (bytes: Uint8Array) => void): Promise<Model> {
  const trainer: Trainer = await createTrainer({ data, size: 32, lr: (step) => 1 / (step + 1), codebook: { size: 64 }, loss: { l2: 1 }, adversarial: { from: 500 } });
  trainer.addEventListener('step', (event) => event.detail.loss.total.toFixed(2));
  for await (const step of trainer.run({ every: 10 })) if ((step satisfies TrainStep).perplexity < 2) break;
  trainer.set({ lr: 1e-3, adversarial: { weight: 0.2 } });
  store(await trainer.checkpoint());
  const again = await resumeTrainer(await trainer.checkpoint(), { data });
  return again.model();
}

export async function small(file: ArrayBuffer): Promise<unknown[]> {
  const info: FileInfo = readInfo(file);
  const bytes: Uint8Array<ArrayBuffer> = await encode('photo.jpg', { bpp: 0.2 });
  const stream: TransformStream<ImageInput, Uint8Array> = encodeStream();
  try {
    await decode(bytes, { model: await loadModel('photo') });
  } catch (error) {
    if (error instanceof TesseraeError && error.code === 'ERR_MODEL') return [error.url];
  }
  const { lpips }: { lpips?: number } = await compare(bytes, bytes, { features: { net: bytes, heads: new Blob() } });
  return [info, stream, lpips, detect().simd, await models.list(), version, wasm.length + workerSource.length];
}
