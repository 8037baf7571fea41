// Contestants in turns, A B A B ..., on one row.

import { difference } from './numbers.mjs';
import { median } from './table.mjs';

/** Calls per turn that take about `slice` ms, from the time of one. */
export const callsFor = (ms, slice) => Math.max(1, Math.min(200, Math.ceil(slice / Math.max(ms, 0.01))));

/**
 * Times every contestant on a task. A contestant that fails has { error } for its result and takes no further part; the others
 * { wall, cpu, busiest } (medians of ms per call; CPU of all threads and, in pages, of the busiest), { least } wall, { calls } per turn, and { sample } of its output.
 * @param {Record<string, any>} contestants @param {any} task
 * @param {{ rounds?: number, slice?: number, say?: (text: string) => void }} [options]
 */
export async function takeTurns(contestants, task, { rounds = 3, slice = 250, say = () => {} } = {}) {
    const results = {}, turns = {};
    const attempt = async (key, act) => {
        if (results[key]?.error) return;
        try {
            await act(contestants[key]);
        } catch (error) {
            results[key] = { error: error.message.split('\n')[0] };
            say(`${key}: ${results[key].error}`);
            await contestants[key].close();
        }
    };
    for (const key in contestants) {
        await attempt(key, async (one) => {
            say(`${key}: warming up`);
            await one.load(task);
            const [first] = (await one.run(1)).wall; // compilers still at work
            const { wall, cpu, busiest = cpu } = await one.run(callsFor(first, slice / 2));
            turns[key] = { calls: callsFor(Math.min(median(wall), busiest || Infinity), slice), wall: [], cpu: [], busiest: [] };
            results[key] = { sample: await one.sample() };
        });
    }
    for (let round = 0; round < rounds; round++) {
        for (const key in contestants) {
            await attempt(key, async (one) => {
                const { wall, cpu, busiest = NaN } = await one.run(turns[key].calls);
                turns[key].wall.push(...wall);
                turns[key].cpu.push(cpu);
                turns[key].busiest.push(busiest);
                say(`${key}: turn ${round + 1} of ${rounds}, ${median(wall).toFixed(1)} ms`);
            });
        }
    }
    for (const key in contestants) {
        await attempt(key, async (one) => {
            const { calls, wall, cpu, busiest } = turns[key], some = Number.isFinite(busiest[0]);
            Object.assign(results[key], { calls, wall: median(wall), cpu: median(cpu), least: Math.min(...wall), ...(some && { busiest: median(busiest) }) });
            await one.free();
        });
    }
    return results;
}

/** Puts into each result how far its samples are from `reference`, relative to the reference's largest value; takes the samples out. */
export function compareSamples(results, reference) {
    for (const result of Object.values(results)) {
        if (result.sample?.length && reference?.length) {
            const { most, size } = difference(result.sample, reference);
            result.apart = most / size;
        }
        delete result.sample;
    }
    return results;
}
