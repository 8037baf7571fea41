/* LPIPS v0.1 (Zhang et al. 2018) on the SqueezeNet 1.1 trunk, for two whole pictures; lower is nearer. The core has it as a
 * loss of its trainer (src/nets/perceptual.c), not as a measure: this is the same sum for the page. Maps are [y][x][channel]. */

/** torchvision's fires in order: [number, a pool before it, a tap behind it]. */
const STAGES = [[3, true, false], [4, false, true], [6, true, false], [7, false, true], [9, true, true], [10, false, true], [11, false, true], [12, false, true]];
const SHIFT = [-0.03, -0.088, -0.188], SCALE = [0.458, 0.448, 0.45]; // of pictures in [-1, 1]

/** An IEEE half as a number. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

/** A safetensors file's F16 and F32 tensors as { shape, data }; throws on other kinds. @param {Uint8Array} bytes */
function tensorsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Number(view.getBigUint64(0, true));
  const { __metadata__: _, ...entries } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return Object.fromEntries(Object.entries(entries).map(([name, { dtype, shape, data_offsets: [from] }]) => {
    const size = { F16: 2, F32: 4 }[dtype], count = shape.reduce((product, n) => product * n, 1);
    if (!size) throw new Error(`The feature net's ${name} is ${dtype}; it must be F16 or F32.`);
    const read = (i) => (size === 2 ? half(view.getUint16(8 + length + from + 2 * i, true)) : view.getFloat32(8 + length + from + 4 * i, true));
    return [name, { shape, data: Float32Array.from({ length: count }, (_, i) => read(i)) }];
  }));
}

/** A conv's weights [out][in][k][k] as { taps: [ky][kx][in][out], bias, in, out, kernel }: lanes run along outputs. */
function convOf(tensors, name) {
  const { shape: [out, depth, kernel], data } = tensors[`${name}.weight`];
  const taps = new Float32Array(data.length);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < depth; i++) {
      for (let k = 0; k < kernel * kernel; k++) taps[(k * depth + i) * out + o] = data[(o * depth + i) * kernel * kernel + k];
    }
  }
  return { taps, bias: tensors[`${name}.bias`].data, depth, out, kernel };
}

/** relu(conv(x)), written to channels at.. of a map `wide` channels deep. */
function convolve({ data, width, height, depth }, { taps, bias, out, kernel }, { stride = 1, pad = 0, into, at = 0, wide = out } = {}) {
  const w = Math.floor((width + 2 * pad - kernel) / stride) + 1, h = Math.floor((height + 2 * pad - kernel) / stride) + 1;
  const y = into ?? new Float32Array(w * h * wide), sum = new Float32Array(out);
  for (let v = 0; v < h; v++) {
    for (let u = 0; u < w; u++) {
      sum.set(bias);
      for (let ky = 0; ky < kernel; ky++) {
        const row = v * stride + ky - pad;
        if (row < 0 || row >= height) continue;
        for (let kx = 0; kx < kernel; kx++) {
          const column = u * stride + kx - pad;
          if (column < 0 || column >= width) continue;
          const from = (row * width + column) * depth;
          let tap = (ky * kernel + kx) * depth * out;
          for (let i = 0; i < depth; i++, tap += out) {
            const value = data[from + i];
            if (value !== 0) for (let o = 0; o < out; o++) sum[o] += value * taps[tap + o]; // half of what a relu gives is 0
          }
        }
      }
      const to = (v * w + u) * wide + at;
      for (let o = 0; o < out; o++) y[to + o] = sum[o] > 0 ? sum[o] : 0;
    }
  }
  return { data: y, width: w, height: h, depth: wide };
}

/** 3x3 maximum, stride 2, the last window cut off at the edge. */
function pool({ data, width, height, depth }) {
  const w = Math.ceil((width - 3) / 2) + 1, h = Math.ceil((height - 3) / 2) + 1;
  const y = new Float32Array(w * h * depth); // not below 0 after a relu
  for (let v = 0; v < h; v++) {
    for (let u = 0; u < w; u++) {
      const to = (v * w + u) * depth;
      for (let row = 2 * v; row < Math.min(height, 2 * v + 3); row++) {
        for (let column = 2 * u; column < Math.min(width, 2 * u + 3); column++) {
          const from = (row * width + column) * depth;
          for (let c = 0; c < depth; c++) if (data[from + c] > y[to + c]) y[to + c] = data[from + c];
        }
      }
    }
  }
  return { data: y, width: w, height: h, depth };
}

function fire(x, { squeeze, narrow, broad }) {
  const s = convolve(x, squeeze), wide = narrow.out + broad.out;
  const y = convolve(s, narrow, { wide });
  return convolve(s, broad, { pad: 1, into: y.data, at: narrow.out, wide });
}

/** Makes unit vectors of a map's places. */
function normalize(map) {
  const { depth } = map, data = new Float32Array(map.data.length);
  for (let at = 0; at < data.length; at += depth) {
    let square = 0;
    for (let c = 0; c < depth; c++) square += map.data[at + c] ** 2;
    const scale = 1 / (Math.sqrt(square) + 1e-10);
    for (let c = 0; c < depth; c++) data[at + c] = map.data[at + c] * scale;
  }
  return data;
}

/**
 * The measure over a feature net: trunk and heads in one file.
 * @param {Uint8Array} bytes
 * @returns {{ features: (image: { data: ArrayLike<number>, width: number, height: number }) => Float32Array[], distance: (a: Float32Array[], b: Float32Array[]) => number }}
 *   features: of RGBA bytes, at least 17 pixels a side; distance: of two pictures' features
 */
export function makeLpips(bytes) {
  const tensors = tensorsOf(bytes);
  const first = convOf(tensors, 'features.0');
  const fires = STAGES.map(([n]) => ({ squeeze: convOf(tensors, `features.${n}.squeeze`), narrow: convOf(tensors, `features.${n}.expand1x1`), broad: convOf(tensors, `features.${n}.expand3x3`) }));
  const heads = Array.from({ length: 7 }, (_, i) => tensors[`lin${i}.model.1.weight`].data);

  function features({ data, width, height }) {
    const input = new Float32Array(width * height * 3);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) input[3 * i + c] = (data[4 * i + c] / 127.5 - 1 - SHIFT[c]) / SCALE[c];
    }
    let x = convolve({ data: input, width, height, depth: 3 }, first, { stride: 2 });
    const taps = [normalize(x)];
    for (const [i, [, pooled, tapped]] of STAGES.entries()) {
      x = fire(pooled ? pool(x) : x, fires[i]);
      if (tapped) taps.push(normalize(x));
    }
    return taps;
  }

  function distance(a, b) {
    let total = 0;
    for (const [t, head] of heads.entries()) {
      let sum = 0;
      for (let i = 0; i < a[t].length; i++) sum += head[i % head.length] * (a[t][i] - b[t][i]) ** 2;
      total += sum / (a[t].length / head.length);
    }
    return total;
  }
  return { features, distance };
}
