/** The worker's source text and the simd128 core in base64, for places that lose a package's own files. */
export const workerSource: string;
export const wasm: string;
