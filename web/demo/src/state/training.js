/* The training session: how a run starts, steps, is paused, crashes and goes on. */
import { batch } from '@preact/signals';
import { createTrainer, resumeTrainer } from 'tesserae';
import { bundledSet, ownSet, sets } from '../lib/dataset.js';
import { dropSaved, kept, offer, save, saved } from './checkpoint.js';
import { engine } from './codec.js';
import { dataset, loadPictures, ownFiles } from './dataset.js';
import { dialsOf, repeatChanges, setDials } from './dials.js';
import { clearFigures, cutFigures, latest, record, restoreFigures, showNewest } from './figures.js';
import { readRun } from './keeping.js';
import { clearLooks, look } from './looks.js';
import { notify, report, say } from './notice.js';
import { config as wantedConfig, features, presets, wantsFeatures, written } from './recipe.js';
import { phase, run, stage, trainer } from './run.js';
import { settings } from './settings.js';
import { clearMoments, cutMoments } from './timeline.js';

const LOOK_EVERY = 1_200; // ms between reconstructions, or ten times as long as they take
const REPORT_EVERY = 5; // steps between two reports of the trainer
const MOST_CRASHES = 3; // in a row, without a step forward

let driving = null; // the running drive's AbortController

const read = (name) => settings[name].peek();

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

/** Builds a trainer from the settings; leaves it ready to step. */
async function build() {
  batch(() => {
    phase.value = 'loading';
    stage.value = 'Reading the pictures and building the net…';
  });
  const config = wantedConfig();
  const wanted = { preset: read('preset'), config, steps: config.train?.steps ?? 20000 };
  const pictures = await loadPictures(config, (error) => (saved.value = { error: error.message }));
  const made = await fresh(wanted, pictures);
  trainer.value = made;
  watch(made);
  kept.value = null;
  clearMoments();
  batch(() => {
    run.value = { ...wanted, steps: made.steps };
    dataset.value = pictures;
    setDials(dialsOf(config));
    clearFigures();
    phase.value = 'paused';
  });
}

/** A value that the core refuses is said. */
const watch = (made) => made.addEventListener('error', ({ error }) => report(error));

/** Starts, or goes on. */
export async function start() {
  try {
    if (!trainer.peek()) await build();
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
    if (!trainer.peek()) await build();
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
  phase.value = trainer.peek() ? 'failed' : 'empty';
  report(error, 'Training stopped');
}

/** Runs until paused, done or after `count` steps; a worker that dies is replaced, and goes on from the last checkpoint. */
async function drive(count) {
  const { signal: stop } = (driving = new AbortController());
  const last = count && trainer.peek().step + count;
  phase.value = 'running';
  for (let crashes = 0, furthest = -1; ;) {
    const mine = trainer.peek();
    try {
      await follow(mine, { steps: last && Math.max(0, last - mine.step), every: count ?? REPORT_EVERY, signal: stop });
      break;
    } catch (error) {
      if (stop.aborted || trainer.peek() !== mine) break;
      if (!isDeath(error)) throw error;
      crashes = mine.step > furthest ? 1 : crashes + 1;
      furthest = Math.max(furthest, mine.step);
      if (crashes > MOST_CRASHES) throw error;
      await revive(mine, error);
    }
  }
  const mine = trainer.peek();
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
export async function ask(use) {
  const mine = trainer.peek();
  try {
    return await use(mine);
  } catch (error) {
    if (!isDeath(error) || trainer.peek() !== mine || phase.peek() === 'running') throw error;
    await revive(mine, error);
    return use(trainer.peek());
  }
}

/** Another worker in place of one that died: from the last checkpoint, or from the start if there is none yet. Same steps, same bits. */
async function revive(dead, cause) {
  console.warn('The training worker stopped:', cause);
  await dead.dispose();
  const from = kept.peek();
  const made = from ? await resumed(from.blob, run.peek(), dataset.peek()) : await fresh(run.peek(), dataset.peek());
  if (trainer.peek() !== dead) {
    await made.dispose(); // reset meanwhile
    return;
  }
  trainer.value = made;
  watch(made);
  repeatChanges(made);
  cutMoments(made.step);
  cutFigures(made.step);
  notify(`The training worker stopped and was started again from step ${made.step}.`);
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
    trainer.value = made;
    watch(made);
    kept.value = { step: made.step, blob: checkpoint };
    clearMoments(strips);
    batch(() => {
      for (const [name, setting] of Object.entries(value.form)) settings[name].value = setting;
      written.value = value.written;
      run.value = value.run;
      setDials(value.dials);
      ownFiles.value = [];
      dataset.value = set;
      restoreFigures(value.history, made.step);
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

/** Ends the run and forgets it, its checkpoint too. */
export async function reset() {
  const ended = trainer.peek();
  trainer.value = kept.value = null;
  driving?.abort();
  clearMoments();
  batch(() => {
    phase.value = 'empty';
    run.value = dataset.value = null;
    setDials(null);
    clearFigures();
    clearLooks();
  });
  await ended?.dispose();
  await dropSaved();
  say('Training is reset.');
}
