/* Codes as they are used. What each one looks like is the mean of the decoded pixels at all its places in a set of
 * reconstructions: a live atlas costs the trainer nothing this way, and codes that occur nowhere have no patch. */

/**
 * @param {{ output: ImageData, tokens: import('tesserae').TokenGrid }[]} pairs as trainer.preview() gives them
 * @returns {(ImageData | undefined)[]} by code of the first level, all of one size
 */
export function codePatches(pairs) {
  const [first] = pairs;
  if (!first) return [];
  const side = Math.ceil(first.tokens.pixelWidth / first.tokens.width);
  const sums = new Array(first.tokens.size);
  for (const { output, tokens } of pairs) {
    for (let y = 0; y < tokens.height; y++) {
      for (let x = 0; x < tokens.width; x++) {
        if ((x + 1) * side > output.width || (y + 1) * side > output.height) continue; // a cell that hangs over the edge
        const sum = (sums[tokens.data[y * tokens.width + x]] ??= { count: 0, rgb: new Float32Array(side * side * 3) });
        sum.count++;
        addCell(sum.rgb, output, x * side, y * side, side);
      }
    }
  }
  return Array.from(sums, (sum) => sum && meanOf(sum, side));
}

function addCell(rgb, { data, width }, left, top, side) {
  for (let y = 0, d = 0; y < side; y++) {
    for (let x = 0, s = ((top + y) * width + left) * 4; x < side; x++, s += 4) {
      rgb[d++] += data[s];
      rgb[d++] += data[s + 1];
      rgb[d++] += data[s + 2];
    }
  }
}

function meanOf({ count, rgb }, side) {
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = rgb[3 * i + c] / count;
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** exp of the entropy of counts: as many codes in equal use carry as much. */
export function perplexity(counts) {
  let total = 0, sum = 0;
  for (const n of counts) total += n;
  for (const n of counts) if (n) sum -= (n / total) * Math.log(n / total);
  return Math.exp(sum);
}
