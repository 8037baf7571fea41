/* The run's checkpoint: one in memory for a crash, and on this machine for another visit. */
import { signal } from '@preact/signals';
import { toBlob } from '../lib/pictures.js';
import { dataset } from './dataset.js';
import { dials, returnChanges, takeChanges } from './dials.js';
import { history } from './figures.js';
import { dropRun, keepRun, peekRun } from './keeping.js';
import { report } from './notice.js';
import { written } from './recipe.js';
import { phase, run, trainer } from './run.js';
import { settings } from './settings.js';
import { moments } from './timeline.js';

const FORM = ['preset', 'data', 'side', 'batch', 'steps', 'codes', 'lr', 'perceptual', 'seed', 'keep'];

/** { step, blob }: the last checkpoint, or null. */
export const kept = signal(null);
/** { step, kind } of the checkpoint written last, or { error }. */
export const saved = signal(null);
/** { step, steps, label } of a checkpoint of an earlier visit, offered until it is taken or dropped. */
export const offer = signal(null);

let saving = null; // the save under way; one at a time
/** Keeps where a trainer stands, if it is still the run's. */
export async function save(from) {
  await saving;
  if (trainer.peek() === from) await (saving = write(from));
}

/** Writes the checkpoint; a full disk or a browser that stores nothing is said and is no error of the training. */
async function write(from) {
  const taken = takeChanges();
  try {
    const blob = await toBlob(await from.checkpoint());
    if (trainer.peek() !== from) return;
    const { step } = from;
    kept.value = { step, blob };
    const form = Object.fromEntries(FORM.map((name) => [name, settings[name].peek()]));
    const value = { form, written: written.peek(), run: run.peek(), dials: dials.peek(), label: dataset.peek().label, step, history: history.peek() };
    const kind = await keepRun(value, blob, moments.peek(), () => trainer.peek() === from);
    if (trainer.peek() !== from) return;
    if (!saved.peek()) navigator.storage?.persist?.(); // asked once: may the browser keep it when the disk gets full?
    saved.value = { step, kind };
  } catch (error) {
    if (kept.peek()?.step !== from.step) returnChanges(taken);
    if (trainer.peek() === from) saved.value = { error: error.message };
  }
}

addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden' && phase.value === 'running') save(trainer.peek());
});

/** On load: is there a checkpoint of an earlier visit? */
export async function lookForCheckpoint() {
  try {
    const value = await peekRun();
    if (value?.run && !trainer.peek()) offer.value = { step: value.step, steps: value.run.steps, label: value.label };
  } catch (error) {
    console.warn('No checkpoint could be read:', error);
  }
}

/** Removes what is kept of a run. */
export async function dropSaved() {
  offer.value = null;
  saved.value = null;
  try {
    await dropRun();
  } catch (error) {
    report(error, 'The checkpoint on this machine could not be removed');
  }
}
