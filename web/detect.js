/** What this place can do, found out without loading anything. */
import { hasRelaxed, hasSIMD, whyAlone } from './wasm.js';

/** @returns {ReturnType<typeof import('./types').detect>} */
export function detect() {
  return {
    wasm: typeof WebAssembly === 'object',
    simd: hasSIMD(),
    relaxed: hasRelaxed(),
    threads: !whyAlone(),
    workers: typeof Worker === 'function' || Boolean(globalThis.process?.versions?.node),
    offscreenCanvas: typeof OffscreenCanvas === 'function',
    crossOriginIsolated: globalThis.crossOriginIsolated === true,
    canvasReadable: canvasReadable(),
  };
}

/** Some browsers add noise to what a canvas gives back, against fingerprinting. */
async function canvasReadable() {
  try {
    const side = 16;
    const canvas =
      typeof OffscreenCanvas === 'function'
        ? new OffscreenCanvas(side, side)
        : Object.assign(document.createElement('canvas'), { width: side, height: side });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
    const image = context.createImageData(side, side);
    for (let i = 0; i < image.data.length; i++) image.data[i] = i % 4 === 3 ? 255 : (i * 37) & 255;
    context.putImageData(image, 0, 0);
    return context.getImageData(0, 0, side, side).data.every((value, i) => value === image.data[i]);
  } catch {
    return false;
  }
}
