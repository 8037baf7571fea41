/* Lets the user choose pictures to train on. */
import { pickFiles } from '../lib/files.js';
import { pickFolder } from '../lib/folder.js';
import { notify, report } from '../state/notice.js';
import { chooseOwn } from '../state/dataset.js';

export async function choosePictures() {
  const files = await pickFiles({ accept: 'image/*', multiple: true });
  if (files.length) chooseOwn(files);
}

export async function chooseFolder() {
  try {
    const files = await pickFolder();
    if (files === null) return;
    if (files.length) chooseOwn(files);
    else notify('There are no pictures in that folder.');
  } catch (error) {
    report(error, 'The folder could not be read');
  }
}
