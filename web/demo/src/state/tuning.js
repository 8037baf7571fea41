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
 * null, or { rows, total } while it is measured, then { step, rows, before, after, saved }: rows of { original, before,
 * after }, each of the last two { image, bpp, psnr, lpips }; `before` and `after` are means, `saved` the share of the bits
 * that the tuned model saves at the former PSNR. Rows come one by one: to draw all pictures at once would hold up the page.
 */
export const gain = signal(null);

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

/** One picture by one codec at every rate; of the middle one LPIPS is measured too, and the decoded picture kept. */
async function pointsOf(codec, original, net) {
  const points = [];
  for (const [i, bpp] of RATES.entries()) {
    const made = await codec.encode(original, { bpp });
    const image = await codec.decode(made.bytes);
    const { psnr, lpips } = await compare(original, image, i === 1 ? { features: net } : {});
    points.push({ bpp: made.bpp, psnr, ...(i === 1 && { lpips, image }) });
  }
  return points;
}

/** The curve of a model: means over the pictures, rate by rate. */
const curveOf = (all) => RATES.map((_, r) => ({ bpp: mean(all, (points) => points[r].bpp), psnr: mean(all, (points) => points[r].psnr) }));

async function measure(model) {
  const blobs = dataset.peek().held.slice(0, MOST);
  const step = latest.peek()?.step ?? 0;
  const total = blobs.length;
  gain.value = { rows: [], total };
  const mine = run.peek();
  const codecs = [];
  const net = await features();
  try {
    for (const source of [presets[mine.preset].init, model]) codecs.push(await createCodec({ ...engine, model: source, cache: false }));
    const rows = [], curves = [[], []];
    for (const blob of blobs) {
      const original = await readPixels(blob);
      const points = [await pointsOf(codecs[0], original, net), await pointsOf(codecs[1], original, net)];
      const [before, after] = points.map(([, middle]) => middle);
      rows.push({ original, before, after });
      points.forEach((list, i) => curves[i].push(list));
      if (run.peek() !== mine) return;
      gain.value = { rows, total };
    }
    const [before, after] = ['before', 'after'].map((when) => Object.fromEntries(['bpp', 'psnr', 'lpips'].map((name) => [name, mean(rows, (row) => row[when][name])])));
    const [old, tuned] = curves.map(curveOf);
    const saved = 1 - rateAt(tuned, old[1].psnr) / old[1].bpp;
    gain.value = { step, rows, before, after, saved };
    say(`Measured on ${total} held-out pictures: ${(100 * saved).toFixed(0)} percent of the bits saved at equal PSNR.`);
  } finally {
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
