/* The left picture when it is not the original: the same photo as JPEG or WebP, at the size of the .tess file. */
import { effect, signal } from '@preact/signals';
import { compare } from 'tesserae';
import { codeAtSize, readPixels } from '../lib/pictures.js';
import { report } from './notice.js';
import { shown, source } from './session.js';
import { settings } from './settings.js';

export const rivalNames = { jpeg: 'JPEG', webp: 'WebP' };
/** null, or { kind, url, bytes, psnr, msSsim }; `url` null means that this browser does not write the format. */
export const rival = signal(null);

let turn = 0;

async function make(kind, { blob, pixels }, bytes) {
  const mine = ++turn;
  try {
    const coded = await codeAtSize(blob, `image/${kind}`, bytes);
    if (mine !== turn) return;
    if (!coded) {
      rival.value = { kind, url: null };
      return;
    }
    const { psnr, msSsim } = await compare(pixels, await readPixels(coded));
    if (mine !== turn) return;
    drop();
    rival.value = { kind, url: URL.createObjectURL(coded), bytes: coded.size, psnr, msSsim };
  } catch (error) {
    if (mine === turn) report(error, `${rivalNames[kind]} could not be made`);
  }
}

function drop() {
  if (rival.peek()?.url) URL.revokeObjectURL(rival.peek().url);
  rival.value = null;
}

effect(() => {
  const kind = settings.against.value, photo = source.value, size = shown.value?.bytes.length;
  turn++;
  if (kind === 'original' || !photo?.blob || rival.peek()?.kind !== kind) drop();
  if (kind !== 'original' && photo?.blob && size) make(kind, photo, size);
});
