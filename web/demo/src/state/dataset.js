/* The pictures in training. */
import { signal } from '@preact/signals';
import { bundledSet, ownSet, sets, shrinkAll } from '../lib/dataset.js';
import { isModel, isTess } from '../lib/files.js';
import { keepPictures } from './keeping.js';
import { say } from './notice.js';
import { chooseData } from './recipe.js';
import { stage } from './run.js';
import { settings } from './settings.js';

/** The pictures in training: { name, label, licence, data, validation, held? } or null. */
export const dataset = signal(null);
/** The user's own files, chosen but not yet in training. */
export const ownFiles = signal([]);

/** The user's own pictures to train on. */
export function chooseOwn(files) {
  ownFiles.value = files.filter((file) => !isTess(file) && !isModel(file));
  chooseData('own');
  say(`${ownFiles.value.length} pictures chosen.`);
}

/** The pictures that the settings name, the user's own ones shrunk and put by; `unkept` hears why they could not be. */
export async function loadPictures({ train: { size } }, unkept) {
  const name = settings.data.peek();
  if (sets[name]) return bundledSet(name, size);
  const files = ownFiles.peek();
  if (!files.length) throw new Error('Choose some pictures first, or train on those of the page.');
  const pictures = await shrinkAll(files, size, (done) => (stage.value = `Reading picture ${done} of ${files.length}…`));
  keepPictures(pictures).catch(unkept);
  return ownSet(pictures);
}
