// What the benchmark's pages share.

/** A file of the checkout, by its path from the root. */
export async function bytes(path) {
    const response = await fetch(`/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.arrayBuffer();
}

export const floats = async (path) => new Float32Array(await bytes(path));

/** Wall milliseconds of each of `calls` calls. */
export async function timed(calls, once) {
    const times = [];
    for (let i = 0; i < calls; i++) {
        const start = performance.now();
        await once();
        times.push(performance.now() - start);
    }
    return times;
}
