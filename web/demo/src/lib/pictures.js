/* Asks picture.worker.js; see there for what each call does. */
import { pack, unpack } from './packed.js';
import { slices } from './pause.js';

/** Pixels of a picture that the page itself does not copy, allocate or paint at once: each can take it more than 50 ms. */
export const LARGE = 2 ** 21;

let worker = null;
let last = 0;
const waiting = new Map(); // id -> { resolve, reject }

function start() {
  worker = new Worker(new URL('./picture.worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data: { id, image, value, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(image ? unpack(image) : value);
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
export const writePng = (image) => give('png', image);
/** @returns {Promise<Blob>} */
export const reduce = (blob, times) => ask('reduce', { blob, times });
/** @returns {Promise<ImageBitmap>} */
export const enlarge = (blob, times) => ask('enlarge', { blob, times });
/** Pixels in a form that is drawn, mixed and written without holding up the page; they are given away. @returns {Promise<{ bitmap: ImageBitmap, raw: Blob }>} */
export const hold = (image) => ask('hold', { image: pack(image) }, [image.data.buffer]);
/** @returns {Promise<Blob>} */
export const writeMix = (mix) => ask('mix', mix);
/** @returns {Promise<Blob | null>} */
export const codeAtSize = (blob, type, bytes) => ask('baseline', { blob, type, bytes });
/** Bytes as a Blob; the bytes are given away. @returns {Promise<Blob>} */
export const toBlob = (bytes) => ask('blob', { bytes }, [bytes.buffer]);

/** An empty picture to be written to; a large one has its memory from the worker. @returns {Promise<ImageData>} */
export const blank = async (width, height) => (width * height > LARGE ? ask('blank', { width, height }) : new ImageData(width, height));

/** A copy to be given away, made a part at a time. @returns {Promise<ImageData>} */
export async function copyOf({ data, width, height }) {
  const copy = await blank(width, height);
  const turn = slices();
  for (let at = 0; at < data.length; at += LARGE) {
    copy.data.set(data.subarray(at, at + LARGE), at);
    await turn();
  }
  return copy;
}

/** Asks with a copy of a picture. */
async function give(op, image, args) {
  const copy = await copyOf(image);
  return ask(op, { image: pack(copy), ...args }, [copy.data.buffer]);
}

let canvases = 0;

/** Has the worker paint a canvas from now on. @param {HTMLCanvasElement} canvas */
export function painter(canvas) {
  const place = ++canvases;
  const offscreen = canvas.transferControlToOffscreen();
  ask('canvas', { place, canvas: offscreen }, [offscreen]);
  return { paint: (image) => give('paint', image, { place }), free: () => ask('canvas', { place }) };
}
