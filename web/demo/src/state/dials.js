/* What may be turned while it trains: learning rates and weights of the losses; and the cures of warnings. */
import { signal } from '@preact/signals';
import { heed } from './figures.js';
import { trainer } from './run.js';

/** Learning rates and loss weights as they stand: { lr, l1, l2, ..., adversarial, judgeLr }; null without a run. */
export const dials = signal(null);

let changed = {}; // name -> the trainer's option: what was turned since the last checkpoint

/** Where the sliders stand at the start of a config. */
export function dialsOf({ quantizer, train }) {
  const { loss = {}, adversarial } = train;
  const own = quantizer.type === 'fsq' || quantizer.type === 'none' ? {} : { commitment: quantizer.commitment ?? 0.25 };
  const some = Object.fromEntries([['msSsim', loss.ms_ssim], ['perceptual', loss.lpips], ['entropy', loss.entropy]].filter(([, weight]) => weight > 0));
  const judge = adversarial ? { adversarial: adversarial.weight ?? 0.1, features: adversarial.features ?? 0, judgeLr: adversarial.lr ?? 2e-4 } : {};
  return { lr: train.lr ?? 4e-4, l1: loss.l1 ?? 1, l2: loss.l2 ?? 2, ...some, ...own, ...judge };
}

/** A slider's name as the trainer's option. */
function optionOf(name, value) {
  if (name === 'lr') return { lr: value };
  if (name === 'judgeLr') return { adversarial: { lr: value } };
  return { loss: { [name]: value } };
}

/** Live change of a learning rate or loss weight. */
export function turn(name, value) {
  dials.value = { ...dials.peek(), [name]: value };
  changed[name] = optionOf(name, value);
  trainer.peek()?.set(changed[name]);
}

/** The dials of another run. */
export function setDials(at) {
  dials.value = at;
  changed = {};
}

/** Takes the changes off the list: a checkpoint that is being made holds them. */
export function takeChanges() {
  const taken = changed;
  changed = {};
  return taken;
}

/** Puts changes back: that checkpoint came to nothing. */
export function returnChanges(taken) {
  changed = { ...taken, ...changed };
}

/** Turns a trainer that goes on from the last checkpoint to where the dials stand. */
export function repeatChanges(made) {
  for (const options of Object.values(changed)) made.set(options);
}

/** What the page can do about a warning, which then goes. */
export function restartCodes() {
  heed();
  trainer.peek()?.restartCodes();
}
export function halve(name) {
  heed();
  turn(name, Number((dials.peek()[name] / 2).toPrecision(2)));
}
