// nets.mjs for ONNX Runtime: writes the graph as an .onnx file (opset 17, channels first), in the forms that PyTorch's exporter gives.

import { Message } from './protobuf.mjs';
import { walk } from './nets.mjs';

const FLOAT = 1, INT64 = 7; // TensorProto.DataType

// Field numbers are those of onnx.proto3.
function tensor(name, dims, data) {
    const message = new Message();
    for (const d of dims) message.int(1, d);
    return message.int(2, data instanceof BigInt64Array ? INT64 : FLOAT).bytes(8, name).bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueInfo({ name, dims }) {
    const shape = new Message();
    for (const d of dims) shape.bytes(1, new Message().int(1, d));
    return new Message().bytes(1, name).bytes(2, new Message().bytes(1, new Message().int(1, FLOAT).bytes(2, shape)));
}

function attribute(name, value) {
    const message = new Message().bytes(1, name);
    if (Array.isArray(value)) {
        for (const v of value) message.int(8, v);
        return message.int(20, 7);
    }
    if (typeof value === 'string') return message.bytes(4, value).int(20, 3);
    return Number.isInteger(value) ? message.int(3, value).int(20, 2) : message.float(2, value).int(20, 1);
}

/** A runtime for walk() that appends nodes; values are { name, dims }. */
class Graph {
    nodes = [];
    inits = [];
    count = 0;

    constructor(weight) {
        this.weight = weight;
    }

    node(type, inputs, dims, attributes = {}) {
        const name = `v${this.count++}`, node = new Message();
        for (const input of inputs) node.bytes(1, input ? input.name : '');
        node.bytes(2, name).bytes(3, name).bytes(4, type);
        for (const [key, value] of Object.entries(attributes)) node.bytes(5, attribute(key, value));
        this.nodes.push(node);
        return { name, dims };
    }

    constant(dims, data) {
        const name = `w${this.count++}`;
        this.inits.push(tensor(name, dims, data));
        return { name, dims };
    }

    param(name, dims) {
        const { shape, values } = this.weight(name);
        return this.constant(dims ?? shape, values);
    }

    step = (x, f) => f(x);
    channels = (x) => x.dims[1];
    relu = (x) => this.node('Relu', [x], x.dims);
    tanh = (x) => this.node('Tanh', [x], x.dims);
    silu = (x) => this.node('Mul', [x, this.node('Sigmoid', [x], x.dims)], x.dims);
    add = (a, b) => this.node('Add', [a, b], a.dims);
    scale = (x, by) => this.node('Mul', [x, this.constant([1], Float32Array.of(by))], x.dims);
    reshape = (x, dims) => this.node('Reshape', [x, this.constant([dims.length], BigInt64Array.from(dims, BigInt))], dims);
    swap = (x) => this.node('Transpose', [x], [x.dims[0], x.dims[2], x.dims[1]], { perm: [0, 2, 1] });

    conv(x, name, { out, kernel, stride, pad, bias, act }) {
        const [n, , height, width] = x.dims, [top, left, bottom, right] = pad;
        const size = (length, a, b) => Math.floor((length + a + b - kernel) / stride) + 1;
        const inputs = [x, this.param(`${name}.weight`), ...(bias ? [this.param(`${name}.bias`)] : [])];
        const y = this.node('Conv', inputs, [n, out, size(height, top, bottom), size(width, left, right)],
            { kernel_shape: [kernel, kernel], pads: pad, strides: [stride, stride], dilations: [1, 1], group: 1 });
        return act === 'relu' ? this.relu(y) : y;
    }

    norm(x, name, groups, epsilon) { // as torch.nn.GroupNorm is exported
        const [n, c, height, width] = x.dims, fill = (v) => this.constant([groups], new Float32Array(groups).fill(v));
        const flat = this.reshape(x, [n, groups, (c / groups) * height * width]);
        const even = this.reshape(this.node('InstanceNormalization', [flat, fill(1), fill(0)], flat.dims, { epsilon }), x.dims);
        return this.add(this.node('Mul', [even, this.param(`${name}.weight`, [c, 1, 1])], x.dims), this.param(`${name}.bias`, [c, 1, 1]));
    }

    up(x) {
        const [n, c, height, width] = x.dims, scales = this.constant([4], Float32Array.of(1, 1, 2, 2));
        return this.node('Resize', [x, null, scales], [n, c, 2 * height, 2 * width],
            { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' });
    }

    attend(q, k, v, scale) {
        const [n, c, height, width] = q.dims, tokens = height * width, flat = (x) => this.reshape(x, [n, c, tokens]);
        const score = this.node('MatMul', [this.swap(flat(q)), flat(k)], [n, tokens, tokens]);
        const share = this.node('Softmax', [this.scale(score, scale)], score.dims, { axis: 2 });
        return this.reshape(this.node('MatMul', [flat(v), this.swap(share)], [n, c, tokens]), q.dims);
    }

    finish(input, output) {
        const graph = new Message();
        for (const node of this.nodes) graph.bytes(1, node);
        graph.bytes(2, 'net');
        for (const init of this.inits) graph.bytes(5, init);
        graph.bytes(11, valueInfo(input)).bytes(12, valueInfo(output));
        return new Message().int(1, 8).bytes(2, 'tesserae-bench').bytes(7, graph).bytes(8, new Message().bytes(1, '').int(2, 17)).finish();
    }
}

/** The bytes of an .onnx file: input x [1][channels][height][width], one output. `weight`: tensor name -> { shape, values }. */
export function onnx(list, { channels, height, width }, prefix, weight) {
    const graph = new Graph(weight), input = { name: 'x', dims: [1, channels, height, width] };
    return graph.finish(input, walk(graph, list, input, prefix));
}
