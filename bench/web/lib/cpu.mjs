// CPU time of programs (Linux: /proc; elsewhere 0): what other work on the machine disturbs least.

import { readdirSync, readFileSync } from 'node:fs';

const numbers = (folder) => readdirSync(folder).filter((name) => /^\d+$/.test(name));
const text = (file) => {
    try {
        return readFileSync(file, 'utf8');
    } catch {
        return ''; // it has ended
    }
};

/** Processes that this one started, at any depth, whose command line contains `word`. */
export function descendants(word) {
    const parents = new Map();
    try {
        for (const pid of numbers('/proc')) {
            const stat = text(`/proc/${pid}/stat`);
            parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
        }
    } catch {
        return [];
    }
    return [...parents.keys()].filter((pid) => {
        let ancestor = pid;
        while (parents.has(ancestor) && ancestor !== process.pid) ancestor = parents.get(ancestor);
        return pid !== process.pid && ancestor === process.pid && text(`/proc/${pid}/cmdline`).includes(word);
    });
}

/**
 * Milliseconds so far of every thread of these processes that runs programs: Map of thread to ms. The engine's pool, which compiles and
 * collects garbage beside them, is left out.
 */
function threads(pids) {
    const times = new Map();
    for (const pid of pids) {
        let tasks = [];
        try {
            tasks = numbers(`/proc/${pid}/task`);
        } catch { /* it has ended */ }
        for (const task of tasks) {
            const at = `/proc/${pid}/task/${task}`, ran = text(`${at}/schedstat`);
            if (ran && !text(`${at}/comm`).startsWith('ThreadPool')) times.set(`${pid}/${task}`, Number(ran.split(' ')[0]) / 1e6); // nanoseconds
        }
    }
    return times;
}

/** Starts a stop-watch over processes; the function returned gives the CPU ms of their threads since: of all, and of the busiest one. */
export function cpuWatch(pids) {
    const before = threads(pids);
    return () => {
        const spent = [...threads(pids)].map(([thread, ms]) => ms - (before.get(thread) ?? 0));
        return { all: spent.reduce((sum, ms) => sum + ms, 0), busiest: Math.max(0, ...spent) };
    };
}
