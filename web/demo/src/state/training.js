/* The training session: one trainer, what it reported, and how it goes on after a pause, a reload or a crash. */
import { batch, computed, signal } from '@preact/signals';
import { createTrainer, resumeTrainer } from 'tesserae';
import { codePatches } from '../lib/code-patches.js';
import { bundledSet, contactSheet, ownSet, sets, shrinkAll } from '../lib/dataset.js';
import { isModel, isTess, saveBlob } from '../lib/files.js';
import { toBlob } from '../lib/pictures.js';
import { addModel, engine } from './codec.js';
import { addRow, emptyColumns, lastReport, upTo } from './columns.js';
import { dropRun, keepPictures, keepRun, peekRun, readRun } from './keeping.js';
import { notify, report, say } from './notice.js';
import { chooseData, config as wantedConfig, features, presets, wantsFeatures, written } from './recipe.js';
import { openFile } from './session.js';
import { settings, tab } from './settings.js';
import { addMoment, clearMoments, cutMoments, moments } from './timeline.js';

const LOOK_EVERY = 1_200; // ms between reconstructions, or ten times as long as they take
const SHOW_EVERY = 250; // ms between two drawings of the charts
const WARN_FOR = 500; // steps that a warning stays when it is not given again
const REPORT_EVERY = 5; // steps between two reports of the trainer
const LOOKS = 16; // held-out pictures
const MOST_CRASHES = 3; // in a row, without a step forward
const FORM = ['preset', 'data', 'side', 'batch', 'steps', 'codes', 'lr', 'perceptual', 'seed', 'keep'];

/** 'empty' | 'loading' | 'running' | 'paused' | 'done' | 'failed' */
export const phase = signal('empty');
export const active = computed(() => phase.value !== 'empty' && phase.value !== 'loading');
/** What is being loaded, as a sentence. */
export const stage = signal('');
/** What is trained: { preset, config, steps } or null. */
export const run = signal(null);
/** The pictures in training: { name, label, licence, data, validation, held? } or null. */
export const dataset = signal(null);
/** The user's own files, chosen but not yet in training. */
export const ownFiles = signal([]);
/** The last report of the trainer, or null. */
export const latest = signal(null);
/** The trainer's warning, or ''. It may come and go with every step: it stays until it is dealt with, or stays away for long. */
export const warning = signal('');
/** Columns for the charts, all of one length. */
export const history = signal(emptyColumns());
/** [{ input, output, tokens }] of the held-out pictures. */
export const looks = signal([]);
/** How often each code was used over the rolling window, or null. */
export const codeCounts = signal(null);
/** What each code looks like now, by code; undefined where it was not seen. */
export const patches = computed(() => codePatches(looks.value));
/** Learning rates and loss weights as they stand: { lr, l1, l2, ..., judge, judgeLr }; null without a run. */
export const dials = signal(null);
/** { step, kind } of the checkpoint written last, or { error }. */
export const saved = signal(null);
/** { step, steps, label } of a checkpoint of an earlier visit, offered until it is taken or dropped. */
export const offer = signal(null);

let trainer = null;
let kept = null; // { step, blob }: the last checkpoint, for a crash
let changed = {}; // what was set since, to be set again after a crash
let driving = null; // the running drive's AbortController
let newest = null; // the last report, until it is shown
let warnedAt = 0; // step

const read = (name) => settings[name].peek();

/** The pictures that the settings name, the user's own ones shrunk and put by. */
async function loadPictures({ train: { size } }) {
  if (sets[read('data')]) return bundledSet(read('data'), size);
  const files = ownFiles.peek();
  if (!files.length) throw new Error('Choose some pictures first, or train on those of the page.');
  const pictures = await shrinkAll(files, size, (done) => (stage.value = `Reading picture ${done} of ${files.length}…`));
  keepPictures(pictures).catch((error) => (saved.value = { error: error.message }));
  return ownSet(pictures);
}

/** Options of a trainer that stay the same when it is started again. */
const common = async (config, pictures) => ({
  ...engine, data: pictures.data, validation: pictures.validation, ...(wantsFeatures(config) && { features: await features() }),
});

/** A new trainer for the run. */
async function fresh({ config, preset }, pictures) {
  return createTrainer({
    ...(await common(config, pictures)), config, ...(presets[preset]?.init && { init: presets[preset].init }),
    name: `trained on ${pictures.name}`, trainedOn: pictures.label, licence: pictures.licence,
  });
}

/** A trainer that goes on from a checkpoint. */
const resumed = async (blob, { config }, pictures) => resumeTrainer(new Uint8Array(await blob.arrayBuffer()), await common(config, pictures));

/** Where the sliders stand at the start of a config. */
function dialsOf({ quantizer, train }) {
  const { loss = {}, adversarial } = train;
  const own = quantizer.type === 'fsq' || quantizer.type === 'none' ? {} : { commitment: quantizer.commitment ?? 0.25 };
  const some = Object.fromEntries([['msSsim', loss.ms_ssim], ['perceptual', loss.lpips], ['entropy', loss.entropy]].filter(([, weight]) => weight > 0));
  const judge = adversarial ? { adversarial: adversarial.weight ?? 0.1, features: adversarial.features ?? 0, judgeLr: adversarial.lr ?? 2e-4 } : {};
  return { lr: train.lr ?? 4e-4, l1: loss.l1 ?? 1, l2: loss.l2 ?? 2, ...some, ...own, ...judge };
}

/** Builds a trainer from the settings; leaves it ready to step. */
async function build() {
  batch(() => {
    phase.value = 'loading';
    stage.value = 'Reading the pictures and building the net…';
  });
  const config = wantedConfig();
  const wanted = { preset: read('preset'), config, steps: config.train?.steps ?? 20000 };
  const pictures = await loadPictures(config);
  const made = await fresh(wanted, pictures);
  trainer = made;
  watch(made);
  kept = null;
  changed = {};
  clearMoments();
  batch(() => {
    run.value = { ...wanted, steps: made.steps };
    dataset.value = pictures;
    dials.value = dialsOf(config);
    history.value = emptyColumns();
    latest.value = null;
    phase.value = 'paused';
  });
}

/** A value that the core refuses is said. */
const watch = (made) => made.addEventListener('error', ({ error }) => report(error));

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

/** Runs until paused, done or after `count` steps; a worker that dies is replaced, and goes on from the last checkpoint. */
async function drive(count) {
  const { signal: stop } = (driving = new AbortController());
  const last = count && trainer.step + count;
  phase.value = 'running';
  for (let crashes = 0, furthest = -1; ;) {
    const mine = trainer;
    try {
      await follow(mine, { steps: last && Math.max(0, last - mine.step), every: count ?? REPORT_EVERY, signal: stop });
      break;
    } catch (error) {
      if (stop.aborted || trainer !== mine) break;
      if (!isDeath(error)) throw error;
      crashes = mine.step > furthest ? 1 : crashes + 1;
      furthest = Math.max(furthest, mine.step);
      if (crashes > MOST_CRASHES) throw error;
      await revive(mine, error);
    }
  }
  const mine = trainer;
  if (!mine || driving.signal !== stop) return;
  showNewest();
  if (latest.peek()) latest.value = { ...latest.peek(), step: mine.step }; // the last steps may have gone by unreported
  phase.value = mine.state === 'done' ? 'done' : 'paused';
  say(phase.value === 'done' ? `Training is done after ${mine.step} steps.` : `Training is paused at step ${mine.step}.`);
  await look(mine);
  await save(mine);
}

/** Steps, and keeps charts, pictures and checkpoint fresh meanwhile. */
async function follow(mine, options) {
  let lookAt = performance.now() + LOOK_EVERY, savedAt = mine.step, looking = Promise.resolve();
  try {
    for await (const report of mine.run(options)) {
      record(report);
      if (performance.now() > lookAt) {
        lookAt = Infinity;
        looking = look(mine).then((took) => (lookAt = performance.now() + Math.max(LOOK_EVERY, 10 * took)), () => {});
      }
      if (report.step - savedAt >= read('keep')) {
        savedAt = report.step;
        save(mine);
      }
    }
  } finally {
    await looking;
  }
}

const isDeath = ({ code }) => code === 'ERR_WORKER' || code === 'ERR_MEMORY';

/** Asks the trainer; one that died at rest is replaced first. */
async function ask(use) {
  const mine = trainer;
  try {
    return await use(mine);
  } catch (error) {
    if (!isDeath(error) || trainer !== mine || phase.peek() === 'running') throw error;
    await revive(mine, error);
    return use(trainer);
  }
}

/** Another worker in place of one that died: from the last checkpoint, or from the start if there is none yet. Same steps, same bits. */
async function revive(dead, cause) {
  console.warn('The training worker stopped:', cause);
  await dead.dispose();
  const made = kept ? await resumed(kept.blob, run.peek(), dataset.peek()) : await fresh(run.peek(), dataset.peek());
  if (trainer !== dead) {
    await made.dispose(); // reset meanwhile
    return;
  }
  trainer = made;
  watch(made);
  for (const options of Object.values(changed)) made.set(options);
  newest = null;
  warning.value = '';
  cutMoments(made.step);
  history.value = upTo(history.peek(), made.step);
  notify(`The training worker stopped and was started again from step ${made.step}.`);
}

let showing = 0; // the timer of the next look at the figures
/** Takes a report in; figures and charts follow a few times a second. */
function record(report) {
  addRow(history.peek(), report);
  if (report.warning) {
    warning.value = report.warning;
    warnedAt = report.step;
  } else if (report.step - warnedAt > WARN_FOR) {
    warning.value = '';
  }
  newest = report;
  showing ||= setTimeout(showNewest, SHOW_EVERY);
}

function showNewest() {
  clearTimeout(showing);
  showing = 0;
  if (!newest) return;
  batch(() => {
    latest.value = newest;
    history.value = { ...history.peek() }; // same columns, new object: charts notice
  });
  newest = null;
}

/** Fetches reconstructions and code counts; returns how long that took, ms. What becomes of a trainer that was reset meanwhile is nobody's business. */
async function look(from) {
  const start = performance.now();
  const found = await Promise.all([from.preview(LOOKS), from.usage(0)]).catch((error) => {
    if (trainer === from) throw error;
  });
  const took = performance.now() - start;
  if (trainer !== from) return took;
  const [pairs, counts] = found;
  batch(() => {
    looks.value = pairs;
    codeCounts.value = counts;
  });
  await addMoment(from.step, pairs.map(({ output }) => output));
  return took;
}

let saving = null; // the save under way; one at a time
async function save(from) {
  await saving;
  if (trainer === from) await (saving = write(from));
}

/** Writes the checkpoint; a full disk or a browser that stores nothing is said and is no error of the training. */
async function write(from) {
  const before = changed;
  try {
    changed = {};
    const blob = await toBlob(await from.checkpoint());
    if (trainer !== from) return;
    const { step } = from;
    kept = { step, blob };
    const form = Object.fromEntries(FORM.map((name) => [name, read(name)]));
    const value = { form, written: written.peek(), run: run.peek(), dials: dials.peek(), label: dataset.peek().label, step, history: history.peek() };
    const kind = await keepRun(value, kept.blob, moments.peek(), () => trainer === from);
    if (trainer !== from) return;
    if (!saved.peek()) navigator.storage?.persist?.(); // asked once: may the browser keep it when the disk gets full?
    saved.value = { step, kind };
  } catch (error) {
    if (kept?.step !== from.step) changed = { ...before, ...changed };
    if (trainer === from) saved.value = { error: error.message };
  }
}

/** On load: is there a checkpoint of an earlier visit? */
export async function lookForCheckpoint() {
  try {
    const value = await peekRun();
    if (value?.run && !trainer) offer.value = { step: value.step, steps: value.run.steps, label: value.label };
  } catch (error) {
    console.warn('No checkpoint could be read:', error);
  }
}

/** Takes the offered checkpoint up: same pictures, same settings, same charts; paused. */
export async function resumeSaved() {
  batch(() => {
    phase.value = 'loading';
    stage.value = 'Reading the checkpoint and its pictures…';
  });
  try {
    const { value, checkpoint, pictures, moments: strips } = await readRun();
    const set = sets[value.form.data] ? bundledSet(value.form.data, value.run.config.train.size) : ownSet(pictures);
    const made = await resumed(checkpoint, value.run, set);
    trainer = made;
    watch(made);
    kept = { step: made.step, blob: checkpoint };
    changed = {};
    clearMoments(strips);
    batch(() => {
      for (const [name, setting] of Object.entries(value.form)) settings[name].value = setting;
      written.value = value.written;
      run.value = value.run;
      dials.value = value.dials;
      ownFiles.value = [];
      dataset.value = set;
      history.value = upTo(value.history, made.step);
      latest.value = lastReport(history.value, made.step);
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

/** Ends the run and forgets it, its checkpoint too. */
export async function reset() {
  const ended = trainer;
  trainer = kept = newest = null;
  driving?.abort();
  clearMoments();
  batch(() => {
    phase.value = 'empty';
    history.value = emptyColumns();
    warning.value = '';
    run.value = latest.value = dataset.value = codeCounts.value = dials.value = null;
    looks.value = [];
  });
  await ended?.dispose();
  await dropSaved();
  say('Training is reset.');
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
  trainer?.set(changed[name]);
}

/** What the page can do about a warning, which then goes. */
export function restartCodes() {
  warning.value = '';
  trainer?.restartCodes();
}
export function halve(name) {
  warning.value = '';
  turn(name, Number((dials.peek()[name] / 2).toPrecision(2)));
}

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
  const name = `tesserae-${dataset.peek().name.replace(' ', '-')}-${trainer.step}.safetensors`;
  return withModel(async (model) => saveBlob(await model.toBlob(), name), 'The model could not be saved');
}

export async function exportCheckpoint() {
  try {
    saveBlob(new Blob([await ask((it) => it.checkpoint())]), `tesserae-checkpoint-${trainer.step}.safetensors`);
  } catch (error) {
    report(error, 'The checkpoint could not be saved');
  }
}

/** Makes the trained net the model of the other tabs and goes there. */
export function useModel() {
  const { name } = dataset.peek(), { step } = trainer;
  return withModel(async (model) => {
    addModel('trained', `Trained here (${name}, step ${step})`, model);
    if (sets[name]) await openFile(await contactSheet(name));
    tab.value = 'compress';
    notify('The compress tab now uses the model you trained.');
  }, 'The model could not be used');
}

addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden' && phase.value === 'running') save(trainer);
});

/** The user's own pictures to train on. */
export function chooseOwn(files) {
  ownFiles.value = files.filter((file) => !isTess(file) && !isModel(file));
  chooseData('own');
  say(`${ownFiles.value.length} pictures chosen.`);
}
