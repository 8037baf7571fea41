// Numbers that every runtime gets alike: seeded random floats, half precision, orders of dimensions.

/** Evenly spread numbers in -scale..scale, the same for the same seed. */
export function randomFloats(count, scale, seed = 7) {
    const values = new Float32Array(count);
    let state = seed >>> 0;
    for (let i = 0; i < count; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        values[i] = (state / 2 ** 31 - 1) * scale;
    }
    return values;
}

/** A seed from a name (FNV-1a). */
export function seedOf(name) {
    let hash = 2166136261;
    for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
    return hash >>> 0;
}

/** float32 -> float16 bits, to the nearest, ties to even; too large becomes infinite. */
export function toHalves(values) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length), halves = new Uint16Array(values.length);
    for (let i = 0; i < bits.length; i++) {
        const sign = (bits[i] >>> 16) & 0x8000, size = bits[i] & 0x7fffffff;
        if (size >= 0x477ff000) halves[i] = sign | 0x7c00;
        else if (size >= 0x38800000) halves[i] = sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
        else { // subnormal: a multiple of 2^-24
            const steps = Math.abs(values[i]) * 2 ** 24, floor = Math.floor(steps), rest = steps - floor;
            halves[i] = sign | (rest > 0.5 || (rest === 0.5 && floor & 1) ? floor + 1 : floor);
        }
    }
    return halves;
}

let widened; // of all 65536 patterns, made at the first use

/** float16 bits -> float32. */
export function fromHalves(halves) {
    widened ??= Float32Array.from({ length: 65536 }, (_, half) => {
        const exponent = (half >> 10) & 31, mantissa = half & 0x3ff, sign = half & 0x8000 ? -1 : 1;
        if (exponent === 31) return mantissa ? NaN : sign * Infinity;
        return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24);
    });
    const values = new Float32Array(halves.length);
    for (let i = 0; i < values.length; i++) values[i] = widened[halves[i]];
    return values;
}

/** [outer][inner] -> [inner][outer]. */
export function transpose(values, outer, inner) {
    const turned = new Float32Array(values.length);
    for (let o = 0, i = 0; o < outer; o++) for (let n = 0; n < inner; n++, i++) turned[n * outer + o] = values[i];
    return turned;
}

/** PyTorch's [out][in][kh][kw] -> TensorFlow's (and our) [kh][kw][in][out]. */
export const filterLast = (values, [out, inside, kh, kw]) => {
    const turned = new Float32Array(values.length), taps = kh * kw;
    for (let o = 0, i = 0; o < out; o++) for (let c = 0; c < inside; c++) for (let t = 0; t < taps; t++, i++) turned[(t * inside + c) * out + o] = values[i];
    return turned;
};

/** Up to `count` values of a tensor of n values, spread over it: places are the same in every runtime that keeps the same order. */
export function samplePlaces(n, count = 4096) {
    if (n <= count) return Array.from({ length: n }, (_, i) => i);
    const step = Math.floor(n / count) | 1; // odd: walks through the channels too
    return Array.from({ length: count }, (_, i) => (i * step + (i * 7) % step) % n);
}

/** Values at samplePlaces of [pixels][channels], from an array in that order or, `channelsFirst`, in [channels][pixels]. */
export function sample(values, channels, channelsFirst = false) {
    const pixels = values.length / channels;
    return samplePlaces(values.length).map((place) => (channelsFirst ? values[(place % channels) * pixels + Math.floor(place / channels)] : values[place]));
}

/** Largest difference of two lists, and the largest size in the second. */
export function difference(a, b) {
    if (a.length !== b.length) throw new Error(`outputs of ${a.length} and ${b.length} samples are compared`);
    let most = 0, size = 0;
    for (let i = 0; i < a.length; i++) {
        const apart = Math.abs(a[i] - b[i]);
        if (!(apart <= most)) most = apart; // a NaN stays
        size = Math.max(size, Math.abs(b[i]));
    }
    return { most, size };
}
