/* The training session: one trainer, what it reported, and its checkpoint on this machine. */
import { batch, computed, signal } from '@preact/signals';
import { createTrainer, resumeTrainer } from 'tesserae';
import { digits, digitsSheet, ownPictures } from '../lib/dataset.js';
import { isModel, isTess, saveBlob } from '../lib/files.js';
import { addModel, engine } from './codec.js';
import { notify, report, say } from './notice.js';
import { openFile } from './session.js';
import { settings, tab } from './settings.js';
import { pack, unpack, vault } from './vault.js';

const CHECKPOINT = 'training.bin';
const SAVE_EVERY = 20_000; // ms between automatic checkpoints while it runs
const LOOK_EVERY = 1_200; // ms between reconstructions
const REPORT_EVERY = 5; // steps between two reports of the trainer
const MOST_ROWS = 2000; // of the charts; then every second one goes

/** 'empty' | 'loading' | 'running' | 'paused' | 'done' | 'failed' */
export const phase = signal('empty');
export const active = computed(() => phase.value !== 'empty' && phase.value !== 'loading');
/** The pictures in training: { name, label, files, ... } or null. */
export const dataset = signal(null);
/** The user's own files, chosen but not yet in training. */
export const ownFiles = signal([]);
/** The last report of the trainer, or null. */
export const latest = signal(null);
/** Columns for the charts, all of one length. */
export const history = signal(emptyHistory());
/** [{ input, output }] of the held-out pictures. */
export const looks = signal([]);
/** How often each code was used over the rolling window, or null. */
export const codeCounts = signal(null);
/** { step, kind } of the checkpoint written last, or { error }. */
export const saved = signal(null);
/** { step, label } of a checkpoint of an earlier visit, offered until it is taken or dropped. */
export const offer = signal(null);

let trainer = null;
let options = null; // what the run was started with; goes into the checkpoint

function emptyHistory() {
  return { step: [], total: [], reconstruction: [], commitment: [], psnr: [], perplexity: [], used: [], lr: [] };
}

const read = (name) => settings[name].peek();

/** The pictures that the settings name. */
async function loadPictures(wanted, files, side) {
  if (wanted === 'digits') return digits(side);
  if (!files.length) throw new Error('Choose some pictures first, or train on the digits.');
  return ownPictures(files, side);
}

/** Builds a trainer from the settings; leaves it ready to step. */
async function build() {
  phase.value = 'loading';
  options = { wanted: read('data'), side: read('side'), batch: read('batch'), steps: read('steps'), codes: read('codes'), lr: read('lr'), seed: read('seed') };
  const pictures = await loadPictures(options.wanted, ownFiles.peek(), options.side);
  dataset.value = pictures;
  trainer = await createTrainer({
    ...engine, data: pictures.data, validation: pictures.validation,
    size: options.side, batch: options.batch, steps: options.steps, lr: options.lr, seed: options.seed,
    codebook: { size: options.codes }, augment: { flip: pictures.flip },
    name: `trained on ${pictures.name}`, trainedOn: pictures.label, licence: pictures.name === 'digits' ? 'CC BY-SA 3.0' : '',
  });
  batch(() => {
    history.value = emptyHistory();
    latest.value = null;
    phase.value = 'paused';
  });
}

/** Starts, or goes on. */
export async function start() {
  try {
    if (!trainer) await build();
    offer.value = null;
    say('Training runs.');
    await drive();
  } catch (error) {
    fail(error);
  }
}

/** One step, then paused again. */
export async function stepOnce() {
  try {
    if (!trainer) await build();
    await drive(1);
  } catch (error) {
    fail(error);
  }
}

/** Stops after the step under way; drive() then saves. Leaving the trainer's loop keeps its state, so start() goes on from there. */
export function pause() {
  driving?.abort();
}

function fail(error) {
  phase.value = trainer ? 'failed' : 'empty';
  report(error, 'Training stopped');
}

let driving = null; // the running drive's AbortController

/** Runs until paused, done or after `count` steps, and keeps charts, pictures and checkpoint fresh. */
async function drive(count) {
  const mine = trainer;
  const { signal: stop } = (driving = new AbortController());
  phase.value = 'running';
  let lookedAt = performance.now(), savedAt = lookedAt, looking = Promise.resolve();
  try {
    for await (const report of mine.run({ steps: count, every: count ?? REPORT_EVERY, signal: stop })) {
      record(report);
      const now = performance.now();
      if (now - lookedAt > LOOK_EVERY) {
        lookedAt = now;
        looking = look(mine);
      }
      if (now - savedAt > SAVE_EVERY) {
        savedAt = now;
        save(mine);
      }
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  await looking;
  if (trainer !== mine) return;
  if (latest.peek()) latest.value = { ...latest.peek(), step: mine.step }; // the last steps may have gone by unreported
  phase.value = mine.state === 'done' ? 'done' : 'paused';
  say(phase.value === 'done' ? `Training is done after ${mine.step} steps.` : `Training is paused at step ${mine.step}.`);
  await look(mine);
  await save(mine);
}

function record(report) {
  const kept = history.peek();
  const row = { ...report, ...report.loss };
  for (const [name, column] of Object.entries(kept)) column.push(row[name] ?? null);
  if (kept.step.length > MOST_ROWS) {
    for (const [name, column] of Object.entries(kept)) kept[name] = column.filter((_, i) => i % 2 === 1);
  }
  batch(() => {
    latest.value = report;
    history.value = { ...kept }; // same columns, new object: charts notice
  });
}

/** Fetches reconstructions and code counts; what becomes of a trainer that was reset meanwhile is nobody's business. */
async function look(from) {
  const found = await Promise.all([from.preview(12), from.usage(0)]).catch((error) => {
    if (trainer === from) throw error;
  });
  if (trainer !== from) return;
  const [pairs, counts] = found;
  batch(() => {
    looks.value = pairs;
    codeCounts.value = counts;
  });
}

let owner = null;
/** True if no other tab of this page trains: only one may write the checkpoint. Held until the tab is closed. */
function ownsCheckpoint() {
  if (!navigator.locks) return true;
  owner ??= new Promise((resolve) => {
    navigator.locks.request('tesserae-training', { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock && new Promise(() => {});
    });
  });
  return owner;
}

/** Writes the checkpoint; a full disk or a browser that stores nothing is said and is no error of the training. */
async function save(from) {
  try {
    if (!(await ownsCheckpoint())) throw new Error('another tab trains, and keeps its own.');
    const bytes = await from.checkpoint();
    const store = await vault();
    if (trainer !== from) return; // from here to the write nothing waits: a reset comes before this line, or removes what is written
    const { label, files } = dataset.peek();
    const value = { options, label, step: from.step, history: history.peek(), names: files.map((file) => file.name) };
    await store.write(CHECKPOINT, pack(value, [bytes, ...files]));
    if (trainer !== from) return;
    if (!saved.peek()) navigator.storage?.persist?.(); // asked once: may the browser keep it when the disk gets full?
    saved.value = { step: value.step, kind: store.kind };
  } catch (error) {
    if (trainer === from) saved.value = { error: error.message };
  }
}

/** On load: is there a checkpoint of an earlier visit? */
export async function lookForCheckpoint() {
  try {
    const blob = await (await vault()).read(CHECKPOINT);
    if (!blob || trainer) return;
    const { value } = await unpack(blob);
    offer.value = { step: value.step, steps: value.options.steps, label: value.label };
  } catch (error) {
    console.warn('No checkpoint could be read:', error);
  }
}

/** Takes the offered checkpoint up: same pictures, same settings, same charts; paused. */
export async function resumeSaved() {
  phase.value = 'loading';
  try {
    const { value, parts } = await unpack(await (await vault()).read(CHECKPOINT));
    const [bytes, ...stored] = parts;
    const files = stored.map((part, i) => new File([part], value.names[i]));
    const pictures = await loadPictures(value.options.wanted, files, value.options.side);
    const made = await resumeTrainer(new Uint8Array(await bytes.arrayBuffer()), { ...engine, data: pictures.data, validation: pictures.validation });
    trainer = made;
    options = value.options;
    const { wanted, ...rest } = options;
    batch(() => {
      settings.data.value = wanted;
      for (const [name, setting] of Object.entries(rest)) settings[name].value = setting;
      ownFiles.value = files;
      dataset.value = pictures;
      history.value = value.history;
      latest.value = lastOf(value.history, made.step);
      saved.value = { step: value.step, kind: 'earlier visit' };
      offer.value = null;
      phase.value = made.state === 'done' ? 'done' : 'paused';
    });
    say(`Checkpoint of step ${value.step} is loaded.`);
    await look(made);
  } catch (error) {
    fail(error);
  }
}

/** The last row of the charts in the form of a report, at the step that the trainer has reached since. */
function lastOf(columns, step) {
  const row = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.at(-1)]));
  const { total, reconstruction, commitment } = row;
  return row.step === undefined ? null : { ...row, step, loss: { total, reconstruction, commitment } };
}

/** Removes the checkpoint, unless it is another tab's. */
export async function dropSaved() {
  offer.value = null;
  saved.value = null;
  try {
    if (await ownsCheckpoint()) await (await vault()).remove(CHECKPOINT);
  } catch (error) {
    report(error, 'The checkpoint on this machine could not be removed');
  }
}

/** Ends the run and forgets it, its checkpoint too. */
export async function reset() {
  const ended = trainer;
  trainer = null;
  driving?.abort();
  batch(() => {
    phase.value = 'empty';
    history.value = emptyHistory();
    latest.value = dataset.value = codeCounts.value = null;
    looks.value = [];
  });
  await ended?.dispose();
  await dropSaved();
  say('Training is reset.');
}

/** Live change of the learning rate. */
export function setRate(lr) {
  settings.lr.value = lr;
  if (options) options.lr = lr;
  trainer?.set({ lr });
}

/** True while the model is being written: its entropy tables are fitted then, which takes seconds. */
export const packing = signal(false);

/** The trained model as it stands; `use` gets it. */
async function withModel(use, fault) {
  packing.value = true;
  try {
    await use(await trainer.model());
  } catch (error) {
    report(error, fault);
  } finally {
    packing.value = false;
  }
}

export function exportModel() {
  const name = `tesserae-${dataset.peek().name.replace(' ', '-')}-${trainer.step}.safetensors`;
  return withModel(async (model) => saveBlob(await model.toBlob(), name), 'The model could not be saved');
}

export async function exportCheckpoint() {
  try {
    saveBlob(new Blob([await trainer.checkpoint()]), `tesserae-checkpoint-${trainer.step}.safetensors`);
  } catch (error) {
    report(error, 'The checkpoint could not be saved');
  }
}

/** Makes the trained net the model of the other tabs and goes there. */
export function useModel() {
  const { name } = dataset.peek(), { step } = trainer;
  return withModel(async (model) => {
    addModel('trained', `Trained here (${name}, step ${step})`, model);
    if (name === 'digits') await openFile(await digitsSheet());
    tab.value = 'compress';
    notify('The compress tab now uses the model you trained.');
  }, 'The model could not be used');
}

addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden' && phase.value === 'running') save(trainer);
});

/** Another crop size, and the learning rate that suits its net. */
export function setSide(side) {
  settings.side.value = side;
  settings.lr.value = side <= 64 ? 0.002 : 0.0006;
}

/** The user's own pictures to train on. */
export function chooseOwn(files) {
  ownFiles.value = files.filter((file) => !isTess(file) && !isModel(file));
  settings.data.value = 'own';
  if (settings.side.peek() < 64) setSide(64);
  say(`${ownFiles.value.length} pictures chosen.`);
}
