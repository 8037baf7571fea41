// Style and static checks: clang-format, clang-tidy, TypeScript over the JavaScript.
//   node scripts/lint.mjs          check
//   node scripts/lint.mjs --fix    let clang-format rewrite the C files

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from './setup.mjs';
import { sources } from './lib/files.mjs';
import { Failure, isMain, main, root, run, say, start } from './lib/run.mjs';

const cFiles = () => sources(/^(include|src|tests|bench)\/.*\.[ch]$/);

function format(fix) {
    run('clang-format', [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...cFiles()]);
}

/** The plain C back end: no instruction set's headers to read. */
const tidyFlags = ['-std=c11', '-Iinclude', '-Isrc', '-isystem/usr/include/stb', '-DTS_SIMD_SCALAR=1', '-DTS_WITH_THREADS=1', '-D_POSIX_C_SOURCE=200809L', '-D_DEFAULT_SOURCE'];

/** Runs clang-tidy on each C file of the library and the command line, two at a time; a file that passed is remembered. */
async function tidy() {
    const folder = path.join(root, 'build/tidy');
    mkdirSync(folder, { recursive: true });
    const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash('sha256')).digest('hex');
    const read = (name) => readFileSync(path.join(root, name));
    const shared = hash(...['.clang-tidy', ...sources(/^(include|src)\/.*\.h$/)].map(read));
    const queue = sources(/^src\/.*\.c$/)
        .map((name) => ({ name, mark: path.join(folder, hash(shared, name, read(name))) }))
        .filter(({ mark }) => !existsSync(mark));
    const faults = [];
    const work = async () => {
        for (let job = queue.shift(); job; job = queue.shift()) {
            const { status, output } = await start('clang-tidy', ['--quiet', job.name, '--', ...tidyFlags]);
            if (status === 0) writeFileSync(job.mark, '');
            else faults.push(output.replaceAll(`${root}/`, ''));
        }
    };
    await Promise.all([work(), work()]);
    if (faults.length) throw new Failure(`clang-tidy:\n${faults.join('\n')}`);
}

const types = () => run('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);

/** All checks; throws a Failure at the first kind that fails. */
export async function lint() {
    say(`clang-format (${cFiles().length} files)`);
    format(false);
    say('clang-tidy');
    await tidy();
    say('tsc --checkJs');
    types();
}

if (isMain(import.meta.url)) {
    await main(async () => {
        ensureTools('build', 'test');
        if (process.argv.includes('--fix')) format(true);
        else await lint();
    });
}
