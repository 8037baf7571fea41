// The nets that are timed, in Tesserae's config language, and `walk`, which reads that language for any runtime.

const conv = (out, kernel = 3, more = {}) => ({ op: 'conv', out, kernel, ...more });
const repeat = (count, ...layers) => Array.from({ length: count }, () => layers).flat();
const resnet = (out) => ({ op: 'resnet', out }), attention = { op: 'attention' }, up = { op: 'up', factor: 2 };
const down = (out) => conv(out, 3, { stride: 2, pad: [0, 0, 1, 1] });
const ending = (out) => [{ op: 'norm', groups: 32, eps: 1e-6 }, { op: 'silu' }, conv(out)];

/** taming-transformers' VQGAN f16 (ImageNet, 1024 codes): encoder with quant_conv, post_quant_conv with decoder. */
export const vqgan = {
    format: 1, name: 'bench-vqgan-f16', licence: 'MIT', trained_on: 'noise', range: [-1, 1],
    encoder: [
        conv(128), ...repeat(2, resnet(128)), down(128), ...repeat(2, resnet(128)), down(128), ...repeat(2, resnet(256)), down(256),
        ...repeat(2, resnet(256)), down(256), ...repeat(2, resnet(512), attention), resnet(512), attention, resnet(512), ...ending(256), conv(256, 1),
    ],
    decoder: [
        conv(256, 1), conv(512), resnet(512), attention, resnet(512), ...repeat(3, resnet(512), attention), up, conv(512),
        ...repeat(3, resnet(256)), up, conv(256), ...repeat(3, resnet(256)), up, conv(256), ...repeat(3, resnet(128)), up, conv(128),
        ...repeat(3, resnet(128)), ...ending(3),
    ],
    quantizer: { type: 'vq', update: 'gradient', levels: 1, size: 1024, dim: 256 },
};

const tiny = { op: 'tiny', out: 64 }, bare = { bias: false };
const half = () => conv(64, 3, { stride: 2, bias: false });

/** TAESD: 64 channels, 4-channel latents. */
export const taesd = {
    format: 1, name: 'bench-taesd', licence: 'MIT', trained_on: 'noise', range: [-1, 1],
    encoder: [conv(64), tiny, ...repeat(3, half(), tiny, tiny, tiny), conv(4)],
    decoder: [{ op: 'soft_clamp', limit: 3 }, conv(64), { op: 'relu' }, ...repeat(3, tiny, tiny, tiny, up, conv(64, 3, bare)), tiny, conv(3)],
    quantizer: { type: 'none', dim: 4 },
};

const pads = ({ kernel, pad = (kernel - 1) / 2 }) => (Array.isArray(pad) ? pad : [pad, pad, pad, pad]);

/** What one layer does, in the runtime's own operations. */
const layers = {
    conv: (r, x, name, layer) => r.conv(x, name, { stride: 1, bias: true, ...layer, pad: pads(layer) }),
    norm: (r, x, name, { groups, eps = 1e-6 }) => r.norm(x, name, groups, eps),
    silu: (r, x) => r.silu(x),
    relu: (r, x) => r.relu(x),
    up: (r, x) => r.up(x),
    soft_clamp: (r, x, name, { limit }) => r.scale(r.tanh(r.scale(x, 1 / limit)), limit),
    resnet(r, x, name, { out, groups = 32, eps = 1e-6 }) {
        const part = (y, n) => same(r, r.silu(r.norm(y, `${name}.norm${n}`, groups, eps)), `${name}.conv${n}`, out);
        return r.add(r.channels(x) === out ? x : point(r, x, `${name}.shortcut`, out), part(part(x, 1), 2));
    },
    attention(r, x, name, { groups = 32, eps = 1e-6 }) {
        const c = r.channels(x), t = r.norm(x, `${name}.norm`, groups, eps);
        const [q, k, v] = ['q', 'k', 'v'].map((part) => point(r, t, `${name}.${part}`, c));
        return r.add(x, point(r, r.attend(q, k, v, c ** -0.5), `${name}.proj`, c));
    },
    tiny(r, x, name, { out }) {
        const skip = r.channels(x) === out ? x : point(r, x, `${name}.skip`, out, { bias: false });
        const [one, two] = [1, 2].map((n) => (y) => same(r, y, `${name}.conv${n}`, out, { act: 'relu' }));
        return r.relu(r.add(same(r, two(one(x)), `${name}.conv3`, out), skip));
    },
};
const same = (r, x, name, out, more = {}) => r.conv(x, name, { out, kernel: 3, stride: 1, pad: [1, 1, 1, 1], bias: true, ...more });
const point = (r, x, name, out, more = {}) => r.conv(x, name, { out, kernel: 1, stride: 1, pad: [0, 0, 0, 0], bias: true, ...more });

/**
 * Runs (or builds) a list of layers over x with the operations of a runtime: conv norm silu relu tanh scale up add attend
 * channels, and step(f), within which intermediate values may be freed. Tensors are named as in our files.
 */
export function walk(runtime, list, x, prefix) {
    return list.reduce((value, layer, i) => {
        if (!layers[layer.op]) throw new Error(`the benchmark's runtimes know no layer ${layer.op}`);
        return runtime.step(value, (v) => layers[layer.op](runtime, v, `${prefix}.${i}`, layer));
    }, x);
}

/** A runtime that only counts: every tensor's name, shape and fan-in, and the multiply-adds, from the input's size. */
export function survey(list, { channels, height, width }, prefix) {
    const tensors = [];
    let macs = 0;
    const keep = (x) => x;
    const runtime = {
        step: (x, f) => f(x), channels: (x) => x.channels, silu: keep, relu: keep, tanh: keep, scale: keep, add: keep,
        up: (x) => ({ ...x, height: 2 * x.height, width: 2 * x.width }),
        norm(x, name) {
            tensors.push({ name: `${name}.weight`, shape: [x.channels], kind: 'gamma' }, { name: `${name}.bias`, shape: [x.channels], kind: 'beta' });
            return x;
        },
        conv(x, name, { out, kernel, stride, pad: [top, left, bottom, right], bias }) {
            const size = (n, a, b) => Math.floor((n + a + b - kernel) / stride) + 1;
            const y = { channels: out, height: size(x.height, top, bottom), width: size(x.width, left, right) };
            tensors.push({ name: `${name}.weight`, shape: [out, x.channels, kernel, kernel], kind: 'filter' });
            if (bias) tensors.push({ name: `${name}.bias`, shape: [out], kind: 'beta' });
            macs += y.height * y.width * out * x.channels * kernel * kernel;
            return y;
        },
        attend(q) {
            macs += 2 * (q.height * q.width) ** 2 * q.channels;
            return q;
        },
    };
    const output = walk(runtime, list, { channels, height, width }, prefix);
    return { tensors, macs, output };
}
