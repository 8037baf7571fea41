/* Colours for codes: near codes get near colours, so that a token picture can be read. */

/** OKLCH (lightness 0..1, chroma, hue in radians) -> sRGB bytes, clipped. Formula: B. Ottosson, "A perceptual color space". */
export function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((x) => {
    const c = Math.min(1, Math.max(0, x));
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  });
}

/**
 * One colour per code from its place on the codebook's two principal axes: the angle gives the hue, the distance from the
 * centre (by rank, so that outliers do not grey the rest) gives chroma and lightness.
 * @param {Float32Array} points [codes][2]   @returns {Uint32Array} 0xAABBGGRR per code, ready for an ImageData's buffer
 */
export function coloursOf(points) {
  const count = points.length / 2;
  const radius = Float32Array.from({ length: count }, (_, i) => Math.hypot(points[2 * i], points[2 * i + 1]));
  const order = Uint32Array.from(radius.keys()).sort((i, j) => radius[i] - radius[j]);
  const colours = new Uint32Array(count);
  order.forEach((code, rank) => {
    const t = count > 1 ? rank / (count - 1) : 0;
    const [r, g, b] = oklch(0.86 - 0.24 * t, 0.03 + 0.14 * t, Math.atan2(points[2 * code + 1], points[2 * code]));
    colours[code] = (255 << 24) | (b << 16) | (g << 8) | r;
  });
  return colours;
}

/** From 0 to 1: near black, violet, red, orange, pale yellow, each lighter than the one before. @returns {[number, number, number]} sRGB bytes */
export const heat = (t) => oklch(0.2 + 0.75 * t, 0.05 + 0.13 * Math.sin(Math.PI * t ** 0.8), ((290 + 170 * t) * Math.PI) / 180);

/** The mean colour of an ImageData as 0xAABBGGRR. */
export function meanColour({ data }) {
  let r = 0, g = 0, b = 0;
  for (let i = 0; i < data.length; i += 4) {
    r += data[i];
    g += data[i + 1];
    b += data[i + 2];
  }
  const n = data.length / 4;
  return ((255 << 24) | (Math.round(b / n) << 16) | (Math.round(g / n) << 8) | Math.round(r / n)) >>> 0;
}

export const cssColour = (packed) => `rgb(${packed & 255} ${(packed >> 8) & 255} ${(packed >> 16) & 255})`;
