// Just enough of Protocol Buffers to write an ONNX file: fields of whole numbers, floats, bytes and messages.

/** One message; every method appends a field and returns the message. */
export class Message {
    #parts = [];

    #varint(value) {
        const bytes = [];
        let n = BigInt.asUintN(64, BigInt(value));
        do {
            bytes.push(Number(n & 0x7fn) | (n > 0x7fn ? 0x80 : 0));
            n >>= 7n;
        } while (n);
        this.#parts.push(Uint8Array.from(bytes));
        return this;
    }

    int(field, value) {
        return this.#varint(field << 3).#varint(value);
    }

    float(field, value) {
        this.#varint((field << 3) | 5).#parts.push(new Uint8Array(Float32Array.of(value).buffer));
        return this;
    }

    /** Bytes, a string, or another message. */
    bytes(field, value) {
        const parts = value instanceof Message ? value.#parts : [typeof value === 'string' ? new TextEncoder().encode(value) : value];
        this.#varint((field << 3) | 2).#varint(parts.reduce((sum, part) => sum + part.length, 0)).#parts.push(...parts);
        return this;
    }

    finish() {
        const bytes = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
        let at = 0;
        for (const part of this.#parts) {
            bytes.set(part, at);
            at += part.length;
        }
        return bytes;
    }
}
