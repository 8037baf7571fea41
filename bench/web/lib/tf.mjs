// nets.mjs for TensorFlow.js, channels last, in the forms that are fast on its wasm backend: bias and activation fused into the
// convolution, means of a norm by average pooling and a small product (tf.moments takes 25 times as long).

import { filterLast } from './numbers.mjs';
import { walk } from './nets.mjs';

/** A net ready to run: run(x tensor) gives the output tensor, free() its weights back. `weight`: name -> { shape, values }. */
export function tfNet(tf, list, prefix, weight) {
    const kept = new Map();
    const keep = (name, make) => {
        if (!kept.has(name)) kept.set(name, tf.keep(make()));
        return kept.get(name);
    };
    const vector = (name) => keep(name, () => tf.tensor1d(weight(name).values));
    const filter = (name) => keep(name, () => {
        const { shape: [out, inside, kh, kw], values } = weight(name);
        return tf.tensor4d(filterLast(values, [out, inside, kh, kw]), [kh, kw, inside, out]);
    });
    const groupMean = (c, groups) => keep(`mean of ${groups} in ${c}`, () => {
        const size = c / groups, member = new Float32Array(c * c);
        for (let i = 0; i < c * c; i++) if (Math.floor(i / c / size) === Math.floor((i % c) / size)) member[i] = 1 / size;
        return tf.tensor2d(member, [c, c]);
    });
    const mean = (x, groups) => {
        let y = x;
        while (y.shape[1] > 1) y = tf.avgPool(y, Math.min(16, y.shape[1]), Math.min(16, y.shape[1]), 'valid');
        return tf.matMul(y.reshape([1, -1]), groupMean(x.shape[3], groups));
    };
    const runtime = {
        input: null, // not ours to free
        step(x, f) {
            const y = tf.tidy(() => f(x));
            if (x !== runtime.input) x.dispose();
            return y;
        },
        channels: (x) => x.shape[3],
        relu: (x) => tf.relu(x), tanh: (x) => tf.tanh(x), add: (a, b) => tf.add(a, b), scale: (x, by) => tf.mul(x, by),
        silu: (x) => tf.mul(x, tf.sigmoid(x)),
        up: (x) => tf.image.resizeNearestNeighbor(x, [2 * x.shape[1], 2 * x.shape[2]]),
        conv(x, name, { kernel, stride, pad, bias, act }) {
            const total = Math.max(kernel - stride, 0), low = total >> 1, same = [low, low, total - low, total - low];
            if (String(pad) !== String(same)) throw new Error(`${name}: pads ${pad} are not what TensorFlow calls same`);
            return tf.fused.conv2d({
                x, filter: filter(`${name}.weight`), strides: stride, pad: 'same', ...(bias && { bias: vector(`${name}.bias`) }), activation: act ?? 'linear',
            });
        },
        norm(x, name, groups, eps) {
            const mu = mean(x, groups), variance = tf.sub(mean(tf.square(x), groups), tf.square(mu));
            const scale = tf.mul(vector(`${name}.weight`), tf.rsqrt(tf.add(variance, eps))), shift = tf.sub(vector(`${name}.bias`), tf.mul(mu, scale));
            return tf.add(tf.mul(x, scale.reshape([1, 1, 1, -1])), shift.reshape([1, 1, 1, -1]));
        },
        attend(q, k, v, scale) {
            const flat = (x) => x.reshape([-1, x.shape[3]]);
            return tf.matMul(tf.softmax(tf.mul(tf.matMul(flat(q), flat(k), false, true), scale)), flat(v)).reshape(q.shape);
        },
    };
    return {
        run(x) {
            runtime.input = x;
            return walk(runtime, list, x, prefix);
        },
        free() {
            for (const tensor of kept.values()) tensor.dispose();
            kept.clear();
        },
    };
}
