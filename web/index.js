/** The package in a browser (or in a worker of its own). Importing it does nothing but define it. */
import { createApi } from './api.js';
import { readImage as readPixels } from './images.js';
import { startWorker } from './loader.js';

export const {
  createCodec,
  encode,
  decode,
  encodeStream,
  readImage,
  compare,
  loadModel,
  createTrainer,
  resumeTrainer,
  models,
} = /* @__PURE__ */ createApi({ startWorker, readImage: readPixels });
export { trainerConfig } from './config.js';
export { detect } from './detect.js';
export { TesseraeError } from './errors.js';
export { readInfo } from './format.js';
export { tokenGrid } from './tokens.js';
export { version } from './version.js';
