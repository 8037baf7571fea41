/* What a run is for: its model, as a file or in the other tabs, and its checkpoint as a file. */
import { signal } from '@preact/signals';
import { contactSheet, sets } from '../lib/dataset.js';
import { saveBlob } from '../lib/files.js';
import { addModel } from './codec.js';
import { dataset } from './dataset.js';
import { notify, report } from './notice.js';
import { trainer } from './run.js';
import { openFile } from './session.js';
import { tab } from './settings.js';
import { ask } from './training.js';

/** True while the model is being written: its entropy tables are fitted then, which takes seconds. */
export const packing = signal(false);

/** The trained model as it stands; `use` gets it. */
export async function withModel(use, fault) {
  packing.value = true;
  try {
    await use(await ask((it) => it.model()));
  } catch (error) {
    report(error, fault);
  } finally {
    packing.value = false;
  }
}

export function exportModel() {
  const name = `tesserae-${dataset.peek().name.replace(' ', '-')}-${trainer.peek().step}.safetensors`;
  return withModel(async (model) => saveBlob(await model.toBlob(), name), 'The model could not be saved');
}

export async function exportCheckpoint() {
  try {
    saveBlob(new Blob([await ask((it) => it.checkpoint())]), `tesserae-checkpoint-${trainer.peek().step}.safetensors`);
  } catch (error) {
    report(error, 'The checkpoint could not be saved');
  }
}

/** Makes the trained net the model of the other tabs and goes there. */
export function useModel() {
  const { name } = dataset.peek(), { step } = trainer.peek();
  return withModel(async (model) => {
    addModel('trained', `Trained here (${name}, step ${step})`, model);
    if (sets[name]) await openFile(await contactSheet(name));
    tab.value = 'compress';
    notify('The compress tab now uses the model you trained.');
  }, 'The model could not be used');
}
