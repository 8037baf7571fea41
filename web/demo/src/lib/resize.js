/* Bicubic resizing as Pillow does it: Keys' cubic with a = -1/2 (R. Keys, "Cubic convolution interpolation for digital image
 * processing", 1981), stretched over the source's pixels when a picture shrinks, its weights brought to a sum of 1 at borders. */

const cubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0);

/** For each of `to` samples over `from`: where its taps begin, and their weights. */
function tapsOf(from, to) {
  const scale = from / to, stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.floor(centre + 2 * stretch + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) => cubic(Math.abs(first + k + 0.5 - centre) / stretch));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** ImageData -> ImageData of another size: rows first, then columns. What is transparent lends its colour to nothing. */
export function resize({ data, width, height }, toWidth, toHeight) {
  const across = tapsOf(width, toWidth), down = tapsOf(height, toHeight);
  const row = new Float32Array(width * 4), wide = new Float32Array(toWidth * height * 4); // colours times alpha
  for (let y = 0; y < height; y++) {
    row.set(data.subarray(y * row.length, (y + 1) * row.length));
    for (let i = 0; i < row.length; i += 4) for (let c = 0; c < 3; c++) row[i + c] *= row[i + 3] / 255;
    for (let x = 0, at = y * toWidth * 4; x < toWidth; x++, at += 4) {
      const { first, weights } = across[x];
      for (let k = 0; k < weights.length; k++) for (let c = 0; c < 4; c++) wide[at + c] += weights[k] * row[(first + k) * 4 + c];
    }
  }
  const made = new ImageData(toWidth, toHeight), line = new Float32Array(toWidth * 4);
  down.forEach(({ first, weights }, y) => {
    line.fill(0);
    for (let k = 0, at = first * line.length; k < weights.length; k++) for (let i = 0; i < line.length; i++) line[i] += weights[k] * wide[at++];
    for (let i = 0; i < line.length; i += 4) for (let c = 0; c < 3; c++) line[i + c] *= line[i + 3] > 0 ? 255 / line[i + 3] : 0;
    made.data.set(line, y * line.length);
  });
  return made;
}
