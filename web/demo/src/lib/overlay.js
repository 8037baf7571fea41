/* A mask as it is shown over its picture: hatched in one colour, in pixels of the screen. */

/** Two densities of one ink, 0xAABBGGRR: stripes show on a picture of any colour. */
const INKS = [0xa03c5cf0 | 0, 0x603c5cf0];
const STRIPE = 3; // log2 of a stripe's width

/**
 * Paints the part `area` of the screen, in canvas pixels; the canvas's corner lies at (`left`, `top`) of the picture, and `scale`
 * canvas pixels show one of the picture's.
 * @param {CanvasRenderingContext2D} context
 * @param {import('./bitmask.js').Bitmask} mask
 * @param {{ left: number, top: number, scale: number }} view
 * @param {{ x: number, y: number, width: number, height: number }} [area]  default: all
 */
export function paintMask(context, mask, { left, top, scale }, area = { x: 0, y: 0, width: Infinity, height: Infinity }) {
  const x0 = Math.max(0, Math.floor(area.x)), x1 = Math.min(context.canvas.width, Math.ceil(area.x + area.width));
  const y0 = Math.max(0, Math.floor(area.y)), y1 = Math.min(context.canvas.height, Math.ceil(area.y + area.height));
  if (x0 >= x1 || y0 >= y1) return;
  const columns = Int32Array.from({ length: x1 - x0 }, (_, i) => {
    const x = Math.floor(left + (x0 + i + 0.5) / scale);
    return x >= 0 && x < mask.width ? x : -1;
  });
  const image = new ImageData(x1 - x0, y1 - y0);
  const to = new Int32Array(image.data.buffer);
  for (let y = y0, at = 0; y < y1; y++) {
    const row = Math.floor(top + (y + 0.5) / scale);
    if (row < 0 || row >= mask.height) {
      at += columns.length;
      continue;
    }
    for (let i = 0; i < columns.length; i++, at++) {
      const x = columns[i];
      if (x >= 0 && (mask.words[row * mask.stride + (x >> 5)] >>> (x & 31)) & 1) to[at] = INKS[((x0 + i + y) >> STRIPE) & 1];
    }
  }
  context.putImageData(image, x0, y0);
}

/** Where a box of the picture lies on the screen, with a pixel around it. */
export function boxOnScreen({ x, y, width, height }, { left, top, scale }) {
  return { x: (x - left) * scale - 1, y: (y - top) * scale - 1, width: width * scale + 2, height: height * scale + 2 };
}

/** A box that holds both; either may be null. */
export function union(a, b) {
  if (!a || !b) return a ?? b;
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}
