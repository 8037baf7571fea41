/* What fine-tuning gained: the user's held-out pictures, compressed by the model as it was and as it is, at equal bits. */
import { effect, signal } from '@preact/signals';
import { compare, createCodec } from 'tesserae';
import { readPixels } from '../lib/pictures.js';
import { engine } from './codec.js';
import { report, say } from './notice.js';
import { features, presets } from './recipe.js';
import { dataset } from './dataset.js';
import { latest } from './figures.js';
import { withModel } from './product.js';
import { phase, run } from './run.js';

const RATES = [0.1, 0.2, 0.4]; // bits per pixel; the table shows the middle one
const MOST = 6; // held-out pictures

/**
 * null, or { done, total } while it is measured, then { step, rows, before, after, saved }: rows of { original, before,
 * after }, each of the last two { image, bpp, psnr, lpips }; `before` and `after` are means, `saved` the share of the bits
 * that the tuned model saves at the former PSNR.
 */
export const gain = signal(null);

/** A worker that measures LPIPS: { of(image, others), end() }. */
async function lpipsWorker() {
  const { net } = await features();
  const worker = new Worker(new URL('../lib/lpips.worker.js', import.meta.url), { type: 'module' });
  worker.postMessage({ net });
  let last = 0;
  const of = (image, others) => new Promise((resolve, reject) => {
    const id = ++last;
    const listen = ({ data }) => {
      if (data.id !== id) return;
      worker.removeEventListener('message', listen);
      if (data.error) reject(new Error(data.error));
      else resolve(data.values);
    };
    worker.addEventListener('message', listen);
    worker.addEventListener('error', (event) => reject(new Error(event.message)), { once: true });
    worker.postMessage({ id, image, others });
  });
  return { of, end: () => worker.terminate() };
}

const mean = (list, get) => list.reduce((sum, item) => sum + get(item), 0) / list.length;

/** The rate at which a curve of { bpp, psnr } reaches a PSNR: log of the rate along straight pieces, drawn on at the ends. */
export function rateAt(curve, psnr) {
  const last = curve.length - 2;
  let i = 0;
  while (i < last && curve[i + 1].psnr < psnr) i++;
  const [a, b] = [curve[i], curve[i + 1]];
  const part = (psnr - a.psnr) / (b.psnr - a.psnr);
  return a.bpp * (b.bpp / a.bpp) ** part;
}

/** One picture by one codec at every rate; the decoded picture is kept of the middle rate alone. */
async function pointsOf(codec, original) {
  const points = [];
  for (const [i, bpp] of RATES.entries()) {
    const made = await codec.encode(original, { bpp });
    const { data, width, height } = await codec.decode(made.bytes);
    const image = new ImageData(new Uint8ClampedArray(data), width, height);
    const { psnr } = await compare(original, image);
    points.push({ bpp: made.bpp, psnr, ...(i === 1 && { image }) });
  }
  return points;
}

/** The curve of a model: means over the pictures, rate by rate. */
const curveOf = (all) => RATES.map((_, r) => ({ bpp: mean(all, (points) => points[r].bpp), psnr: mean(all, (points) => points[r].psnr) }));

async function measure(model) {
  const blobs = dataset.peek().held.slice(0, MOST);
  const step = latest.peek()?.step ?? 0;
  const total = blobs.length;
  gain.value = { done: 0, total };
  const mine = run.peek();
  const codecs = [];
  const lpips = await lpipsWorker();
  try {
    for (const source of [presets[mine.preset].init, await model.save()]) codecs.push(await createCodec({ ...engine, model: source, cache: false }));
    const rows = [], curves = [[], []];
    for (const blob of blobs) {
      const original = await readPixels(blob);
      const points = [await pointsOf(codecs[0], original), await pointsOf(codecs[1], original)];
      const shown = points.map(([, middle]) => middle);
      const distances = await lpips.of(original, shown.map(({ image }) => image));
      const [before, after] = shown.map((point, i) => ({ ...point, lpips: distances[i] }));
      rows.push({ original, before, after });
      points.forEach((list, i) => curves[i].push(list));
      if (run.peek() !== mine) return;
      gain.value = { done: rows.length, total };
    }
    const [before, after] = ['before', 'after'].map((when) => Object.fromEntries(['bpp', 'psnr', 'lpips'].map((name) => [name, mean(rows, (row) => row[when][name])])));
    const [old, tuned] = curves.map(curveOf);
    const saved = 1 - rateAt(tuned, old[1].psnr) / old[1].bpp;
    gain.value = { step, rows, before, after, saved };
    say(`Measured on ${total} held-out pictures: ${(100 * saved).toFixed(0)} percent of the bits saved at equal PSNR.`);
  } finally {
    lpips.end();
    for (const codec of codecs) await codec.dispose();
  }
}

/** Measures the model as it stands. */
export async function measureGain() {
  await withModel(measure, 'The gain could not be measured');
  if (gain.peek()?.total) gain.value = null; // it failed on the way
}

effect(() => {
  if (run.value === null) gain.value = null;
});
effect(() => {
  if (phase.value === 'done' && presets[run.peek()?.preset]?.init && dataset.peek().held?.length && !gain.peek()) measureGain();
});
