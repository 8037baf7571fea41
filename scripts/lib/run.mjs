// Running commands and telling what runs: the few helpers that every script shares.

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

/** The checkout's root folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

// Every `node` that these scripts start, straight or through CMake, is the one that runs them: Debian's emscripten brings a
// Node of its own, which may be older.
process.env.PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`;

/** An error whose message is meant for the person at the terminal (no stack trace). */
export class Failure extends Error {}

/** Prints one line about what happens now. */
export const say = (text) => console.log(`tesserae: ${text}`);

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** A command line as one would type it. */
export const shown = (command, args) => [command, ...args].map(quoted).join(' ');

/**
 * Runs a command to its end with its output on the terminal (stdin closed).
 * @throws {Failure} when it can't start or its exit status isn't 0
 */
export function run(command, args = [], { cwd = root, env = {}, quiet = false } = {}) {
    const result = spawnSync(command, args, {
        cwd,
        env: { ...process.env, ...env },
        stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
        maxBuffer: 256 << 20,
    });
    if (result.error) throw new Failure(`cannot run ${command}: ${result.error.message}`);
    if (result.status !== 0) {
        if (quiet) process.stderr.write(Buffer.concat([result.stdout, result.stderr]));
        throw new Failure(`this failed (${result.signal ?? `exit ${result.status}`}): ${shown(command, args)}`);
    }
}

/** A command's trimmed stdout, or null when it isn't there or fails. */
export function ask(command, args = [], { cwd = root, env = {} } = {}) {
    const result = spawnSync(command, args, {
        cwd,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'ignore'],
        encoding: 'utf8',
        maxBuffer: 256 << 20,
    });
    return result.error || result.status !== 0 ? null : result.stdout.trim();
}

/** Like run(), without blocking; resolves to { status, output }. Output is kept, not shown. */
export function start(command, args = [], { cwd = root, env = {} } = {}) {
    return new Promise((resolve) => {
        const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
        const chunks = [];
        child.stdout.on('data', (chunk) => chunks.push(chunk));
        child.stderr.on('data', (chunk) => chunks.push(chunk));
        child.on('error', (error) => resolve({ status: 127, output: `cannot run ${command}: ${error.message}\n` }));
        child.on('close', (status) => resolve({ status: status ?? 1, output: Buffer.concat(chunks).toString() }));
    });
}

/** Where a command lies on the PATH, or null. */
export const which = (command) => ask('sh', ['-c', `command -v -- ${quoted(command)}`]);

/** Runs a script's main function: a Failure, or an option that it does not know, is one line on stderr; the exit status says how it went. */
export async function main(body) {
    try {
        await body();
    } catch (error) {
        const plain = error instanceof Failure || /^ERR_PARSE_ARGS/.test(error?.code);
        console.error(plain ? `tesserae: ${error.message}` : error);
        process.exitCode = 1;
    }
}

/** True in the module that node was started with. */
export const isMain = (url) => process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(url);
