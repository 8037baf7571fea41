/* Every setting of the page is a signal, and those that differ from their default stand in the URL's hash
 * (`#tokens?quality=40`): a link carries them, Back and reload keep them. */
import { batch, effect, signal } from '@preact/signals';

const oneOf = (...values) => ({ start: values[0], read: (text) => (values.includes(text) ? text : values[0]) });
const flag = { start: false, read: (text) => text === 'true' };
const text = (most) => ({ start: '', read: (given) => given.slice(0, most) });
const number = (start, min, max) => ({
  start, min, max,
  read: (text) => {
    const value = Number(text);
    return text !== '' && Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : start;
  },
});

/** name -> default, range, and how its text is read; anything unreadable becomes the default. */
const schema = {
  rule: oneOf('quality', 'bpp', 'size'),
  quality: number(60, 0, 100),
  bpp: number(0.2, 0.02, 2),
  kilobytes: number(20, 0.5, 5000),
  effort: number(4, 0, 9),
  predict: flag,
  against: oneOf('original', 'jpeg', 'webp'),
  view: oneOf('slider', 'difference'),
  level: number(0, 0, 15),
  paint: oneOf('code', 'patch', 'picture', 'bits'),
  bits: oneOf('all', 'level'),
  order: oneOf('index', 'use'),
  preset: oneOf('vqvae', 'vqgan', 'fsq', 'photo', 'tuned'),
  data: oneOf('digits', 'avatars', 'emoji', 'own'),
  side: number(32, 16, 128),
  batch: number(16, 1, 64),
  steps: number(2000, 50, 100000),
  codes: number(128, 8, 1024),
  lr: number(0.002, 0.00001, 0.05),
  perceptual: number(0, 0, 2),
  seed: number(1, 0, 999999),
  keep: number(100, 5, 10000),
  prior: oneOf('avatars', 'digits', 'emoji'),
  prompt: text(400),
  label: number(-1, -1, 65535),
  pictures: oneOf('9', '4', '16'),
  guidance: number(1, 0, 10),
  temperature: number(1, 0, 2),
  passes: number(12, 1, 64),
  draw: number(1, 0, 999999),
  settle: oneOf('confidence', 'halton'),
  filler: oneOf('photo', 'avatars'),
  tool: oneOf('brush', 'eraser', 'rectangle'),
  brush: number(6, 0.3, 40),
  left: number(0, 0, 2048),
  top: number(0, 0, 2048),
  right: number(0, 0, 2048),
  bottom: number(0, 0, 2048),
  samples: number(4, 1, 8),
  heat: number(0.5, 0, 2),
  chance: number(1, 0, 999999),
  factor: oneOf('4', '2'),
  sharpness: number(0.5, 0, 1),
  beside: oneOf('bicubic', 'original'),
};
export const tabs = ['compress', 'tokens', 'generate', 'inpaint', 'upscale', 'train'];
export const tab = signal(tabs[0]);
export const settings = Object.fromEntries(Object.entries(schema).map(([name, { start }]) => [name, signal(start)]));
export const rangeOf = (name) => schema[name];

function readHash() {
  const [name, query] = location.hash.slice(1).split('?');
  tab.value = tabs.includes(name) ? name : tabs[0];
  const given = new URLSearchParams(query);
  batch(() => {
    for (const [key, { start, read }] of Object.entries(schema)) settings[key].value = given.has(key) ? read(given.get(key)) : start;
  });
}

/** The hash for the settings as they stand. */
function writeHash() {
  const query = new URLSearchParams();
  for (const [key, { start }] of Object.entries(schema)) {
    if (settings[key].value !== start) query.set(key, settings[key].value);
  }
  return `#${tab.value}${query.size ? `?${query}` : ''}`;
}

readHash();
addEventListener('hashchange', readHash);
let timer;
effect(() => {
  const hash = writeHash();
  clearTimeout(timer); // dragging a slider must not flood the history API, which browsers throttle
  timer = setTimeout(() => location.hash !== hash && history.replaceState(null, '', hash), 150);
});
