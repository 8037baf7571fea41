// The peer of bench/web/train.mjs: one Adam step of the VQ-VAE of vqvae.mjs in TensorFlow.js.

import { randomFloats } from './numbers.mjs';

/** Builds the model in `tf` (the backend is set already) and returns step(): Promise of the loss. */
export function tfVqvae(tf, { size, batch, channels: ch, codes, lr, beta }) {
    const filter = (kernel, cin, cout) =>
        tf.variable(tf.tensor4d(randomFloats(kernel * kernel * cin * cout, Math.sqrt(3 / (kernel * kernel * cin))), [kernel, kernel, cin, cout]));
    const bias = (c) => tf.variable(tf.zeros([c]));
    const conv = (kernel, cin, cout, stride) => {
        const w = filter(kernel, cin, cout), b = bias(cout);
        return (x) => tf.add(tf.conv2d(x, w, stride, 'same'), b);
    };
    const transposed = (kernel, cin, cout, side) => {
        const w = filter(kernel, cout, cin), b = bias(cout);
        return (x) => tf.add(tf.conv2dTranspose(x, w, [batch, side * 2, side * 2, cout], 2, 'same'), b);
    };
    const residual = () => {
        const first = conv(3, ch, ch, 1), second = conv(1, ch, ch, 1);
        return (x) => tf.add(x, second(tf.relu(first(tf.relu(x)))));
    };
    const encoder = [conv(4, 3, ch, 2), tf.relu, conv(4, ch, ch, 2), tf.relu, conv(3, ch, ch, 1), residual(), residual(), tf.relu];
    const decoder = [conv(3, ch, ch, 1), residual(), residual(), tf.relu, transposed(4, ch, ch, size / 4), tf.relu, transposed(4, ch, 3, size / 2)];
    const book = tf.variable(tf.tensor2d(randomFloats(codes * ch, 1 / codes), [codes, ch]));
    const run = (layers, x) => layers.reduce((value, layer) => layer(value), x);
    const stop = tf.customGrad((x) => ({ value: x.clone(), gradFunc: (dy) => tf.zerosLike(dy) }));
    const lookup = tf.customGrad((pick, codebook, save) => {
        save([pick]);
        return { value: tf.matMul(pick, codebook), gradFunc: (dy, [saved]) => [tf.zerosLike(saved), tf.matMul(tf.transpose(saved), dy)] };
    });
    const images = tf.tensor4d(randomFloats(batch * size * size * 3, 1), [batch, size, size, 3]);
    const loss = () => {
        const z = run(encoder, images), flat = z.reshape([-1, ch]), frozen = stop(flat);
        const distance = tf.sub(tf.sum(tf.square(book), 1), tf.mul(2, tf.matMul(frozen, tf.transpose(stop(book)))));
        const q = lookup(tf.oneHot(tf.argMin(distance, 1), codes).toFloat(), book);
        const commitment = tf.mean(tf.square(tf.sub(flat, stop(q))));
        const codebook = tf.mean(tf.square(tf.sub(frozen, q)));
        const output = run(decoder, tf.add(flat, stop(tf.sub(q, flat))).reshape(z.shape));
        return tf.addN([tf.mean(tf.square(tf.sub(output, images))), codebook, tf.mul(beta, commitment)]);
    };
    const adam = tf.train.adam(lr);
    return async () => {
        const value = adam.minimize(loss, true);
        const number = (await value.data())[0];
        value.dispose();
        return number;
    };
}

/**
 * The wasm backend has no Conv2DBackpropFilter (tfjs issue 8474), so it cannot train a convolution. This gives it one: a
 * matrix product for each filter tap, on inputs turned to channels-first and, at stride 2, split by parity.
 */
export function supplyFilterGradient(tf) {
    if (tf.getKernel('Conv2DBackpropFilter', 'wasm')) return;
    const kernelFunc = ({ inputs: { x, dy }, attrs: { strides, pad, filterShape } }) => {
        const stride = Array.isArray(strides) ? strides[0] : strides;
        const [kh, kw, cin, cout] = filterShape;
        const tensor = (info) => tf.engine().makeTensorFromTensorInfo(info);
        return tf.tidy(() => {
            const input = tensor(x), slope = tensor(dy), [, height] = input.shape, [, oh, ow] = slope.shape;
            const total = Math.max((oh - 1) * stride + kh - height, 0), low = pad === 'same' ? total >> 1 : 0, high = pad === 'same' ? total - low : 0;
            const odd = stride === 2 ? (height + low + high) & 1 : 0;
            const padded = tf.pad(input, [[0, 0], [low, high + odd], [low, high + odd], [0, 0]]);
            const [n, ph, pw] = padded.shape;
            let planes = tf.transpose(padded, [3, 0, 1, 2]);
            if (stride === 2) {
                planes = tf.transpose(planes.reshape([cin * n, ph / 2, 2, pw]), [2, 0, 1, 3]).reshape([2 * cin * n * (ph / 2), pw / 2, 2]);
                planes = tf.transpose(planes, [2, 0, 1]).reshape([4 * cin * n, ph / 2, pw / 2]);
            }
            const gradient = slope.reshape([-1, cout]);
            const taps = [];
            for (let i = 0; i < kh; i++) {
                for (let j = 0; j < kw; j++) {
                    const tap = stride === 1 ? tf.slice(planes, [0, 0, i, j], [cin, n, oh, ow])
                        : tf.slice(planes, [((j & 1) * 2 + (i & 1)) * cin * n, i >> 1, j >> 1], [cin * n, oh, ow]);
                    taps.push(tf.matMul(tap.reshape([cin, -1]), gradient));
                }
            }
            return tf.stack(taps).reshape(filterShape);
        });
    };
    tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName: 'wasm', kernelFunc });
}
