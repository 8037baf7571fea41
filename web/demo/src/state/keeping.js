/* A training run on this machine: its checkpoint, its pictures and its strips of reconstructions, each a file of the vault. */
import { pack, unpack, vault } from './vault.js';

const CHECKPOINT = 'training.bin', PICTURES = 'pictures.bin', MOMENTS = 'moments.bin';

let owner = null;
/** True if no other tab of this page trains: only one may write. Held until the tab is closed. */
function owns() {
  if (!navigator.locks) return true;
  owner ??= new Promise((resolve) => {
    navigator.locks.request('tesserae-training', { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock && new Promise(() => {});
    });
  });
  return owner;
}

async function writable() {
  if (!(await owns())) throw new Error('another tab trains, and keeps its own.');
  return vault();
}

/** Writes the user's pictures, once a run. @param {Blob[]} pictures */
export async function keepPictures(pictures) {
  await (await writable()).write(PICTURES, pack({}, pictures));
}

/**
 * Writes where the run stands: plain values, the trainer's checkpoint, the moments. Returns the kind of store. `wanted` is
 * asked last: from there to the writes nothing waits, so a reset comes before, or removes what is written.
 */
export async function keepRun(value, bytes, moments, wanted) {
  const store = await writable();
  if (!wanted()) return store.kind;
  const strips = pack(moments.map(({ step, side }) => ({ step, side })), moments.map(({ blob }) => blob));
  await Promise.all([store.write(CHECKPOINT, pack(value, [bytes])), store.write(MOMENTS, strips)]);
  return store.kind;
}

/** The plain values of the run that is kept, or null. */
export async function peekRun() {
  const blob = await (await vault()).read(CHECKPOINT);
  return blob && (await unpack(blob)).value;
}

/** The run that is kept: { value, checkpoint: Blob, pictures: Blob[], moments }; throws if there is none. */
export async function readRun() {
  const store = await vault();
  const [run, pictures, moments] = await Promise.all([CHECKPOINT, PICTURES, MOMENTS].map((name) => store.read(name)));
  if (!run) throw new Error('There is no checkpoint on this machine.');
  const { value, parts: [checkpoint] } = await unpack(run);
  const strips = moments ? await unpack(moments).catch(() => null) : null; // nice to have, no more
  return {
    value, checkpoint,
    pictures: pictures ? (await unpack(pictures)).parts : [],
    moments: strips ? strips.value.map((moment, i) => ({ ...moment, blob: strips.parts[i] })) : [],
  };
}

/** Removes all of it, unless it is another tab's. */
export async function dropRun() {
  if (!(await owns())) return;
  const store = await vault();
  await Promise.all([CHECKPOINT, PICTURES, MOMENTS].map((name) => store.remove(name)));
}
