/** The worker's source text and the simd128 studio core (which does everything) in base64, for places that lose a package's own files. */
export const workerSource: string;
export const wasm: string;
