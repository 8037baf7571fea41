// The checkout's own files: what git tracks plus what it doesn't ignore yet, or, without git, a walk of the source folders.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ask, root } from './run.mjs';

function walk(folder) {
    return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
        const name = path.posix.join(folder, entry.name);
        return entry.isDirectory() ? walk(name) : [name];
    });
}

/** Paths from the root, sorted, of the files whose path matches `pattern`. */
export function sources(pattern) {
    const listed = ask('git', ['ls-files', '--cached', '--others', '--exclude-standard']);
    const all = listed !== null ? listed.split('\n') : ['include', 'src', 'tests', 'bench', 'web', 'scripts', 'bin'].filter((name) => existsSync(path.join(root, name))).flatMap(walk);
    return all.filter((name) => pattern.test(name) && existsSync(path.join(root, name))).sort();
}
