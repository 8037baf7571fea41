/* Asks picture.worker.js; see there for what each call does. */
import { copyOf } from './pixels.js';

let worker = null;
let last = 0;
const waiting = new Map(); // id -> { resolve, reject }

function start() {
  worker = new Worker(new URL('./picture.worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data: { id, value, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || 'The picture worker stopped.'));
    waiting.clear();
    worker = null; // the next call starts another
  };
}

function ask(op, args, transfer = []) {
  if (!worker) start();
  return new Promise((resolve, reject) => {
    waiting.set(++last, { resolve, reject });
    worker.postMessage({ id: last, op, ...args }, transfer);
  });
}

/** @returns {Promise<ImageData>} */
export const readPixels = (blob, limit) => ask('read', { blob, limit });
/** @returns {Promise<Blob | null>} */
export const shrink = (blob, limit, least) => ask('shrink', { blob, limit, least });
/** @returns {Promise<Blob>} */
export const writeStrip = (images, side) => ask('strip', { images, side });
/** @returns {Promise<Blob>} */
export async function writePng(image) {
  const copy = await copyOf(image);
  return ask('png', { image: copy }, [copy.data.buffer]);
}
/** An ImageData to be drawn. @returns {Promise<ImageBitmap>} */
export async function bitmapOf(image) {
  const copy = await copyOf(image);
  return ask('bitmap', { image: copy }, [copy.data.buffer]);
}
/** @returns {Promise<Blob>} */
export const reduce = (blob, times) => ask('reduce', { blob, times });
/** @returns {Promise<ImageBitmap>} */
export const enlarge = (blob, times) => ask('enlarge', { blob, times });
/** Pixels in a form that is drawn, mixed and written without holding up the page; they are given away. (As an ImageData they would be
 * copied all the same.) @returns {Promise<{ bitmap: ImageBitmap, raw: Blob }>} */
export const hold = ({ data, width, height }) => ask('hold', { data, width, height }, [data.buffer]);
/** @returns {Promise<Blob>} */
export const writeMix = (mix) => ask('mix', mix);
/** @returns {Promise<Blob | null>} */
export const codeAtSize = (blob, type, bytes) => ask('baseline', { blob, type, bytes });
/** Bytes as a Blob; the bytes are given away. @returns {Promise<Blob>} */
export const toBlob = (bytes) => ask('blob', { bytes }, [bytes.buffer]);
