// Pictures for the package's tests, made here.

/** A smooth picture with an edge and some texture: every codec finds something to do. @param {number} channels 1, 3 or 4 */
export function scene(width, height, channels = 3, seed = 1) {
  const data = new Uint8Array(width * height * channels);
  let state = seed;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      state = (state * 1103515245 + 12345) & 0x7fffffff;
      const inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (Math.min(width, height) / 3) ** 2;
      const value = [
        (255 * x) / width, (255 * y) / height, inside ? 220 : 40, inside ? 255 : Math.floor((255 * (x + y)) / (width + height)),
      ];
      for (let c = 0; c < channels; c++) data[at++] = value[c] + (c < 3 ? (state >> 16) % 9 : 0) > 255 ? 255 : value[c] + (c < 3 ? (state >> 16) % 9 : 0);
    }
  }
  return { data, width, height, channels };
}

/** RGBA, as results come, of any pixels. */
export function asRGBA({ data, width, height, channels }) {
  const to = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) to[4 * i + c] = data[i * channels + (channels > 2 ? c : 0)];
    to[4 * i + 3] = channels === 4 ? data[4 * i + 3] : 255;
  }
  return to;
}

/** A rectangle of RGBA pixels. */
export function crop({ data, width }, { x, y, width: w, height: h }) {
  const to = new Uint8ClampedArray(w * h * 4);
  for (let row = 0; row < h; row++) to.set(data.subarray(((y + row) * width + x) * 4, ((y + row) * width + x + w) * 4), row * w * 4);
  return to;
}

/** Mean squared error over RGB. */
export function mse(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) sum += (a[i] - b[i]) ** 2;
  return sum / ((a.length / 4) * 3);
}
