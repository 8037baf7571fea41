// What a fresh Debian machine lacks for building and testing: found by looking, installed by apt and npm, told in words.

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { install, update } from './lib/apt.mjs';
import { ask, Failure, isMain, main, root, run, say, which } from './lib/run.mjs';
import { ensureEmscripten } from './emscripten.mjs';

const header = (name) => ['/usr/include', '/usr/local/include', '/opt/homebrew/include'].some((folder) => existsSync(path.join(folder, name)));

/** clang's runtime libraries come in a package of their own. */
function clangRuntime() {
    const file = ask('clang', ['-print-file-name=libclang_rt.fuzzer-x86_64.a']) ?? '';
    return process.arch !== 'x64' || (path.isAbsolute(file) && existsSync(file));
}

/** The Chromium that page tests drive: $CHROMIUM or the first on the PATH; null without one. */
export const chromium = () => process.env.CHROMIUM || which('chromium') || which('chromium-browser') || which('google-chrome');

/** What is needed: whether it is there, Debian's packages for it, and what it is for. */
const needs = {
    build: [
        { there: () => which('cc') && header('stdio.h'), packages: ['gcc', 'libc6-dev'], why: 'compiles the C core' },
        { there: () => which('cmake'), packages: ['cmake'], why: 'configures the C build' },
        { there: () => which('ninja'), packages: ['ninja-build'], why: 'runs the C build' },
        { there: () => header('stb/stb_image.h'), packages: ['libstb-dev'], why: 'reads JPEG and PNG, writes PNG' },
        { there: () => header('jsmn.h'), packages: ['libjsmn-dev'], why: 'reads JSON' },
    ],
    test: [
        { there: () => which('clang') && clangRuntime(), packages: ['clang', 'libclang-rt-dev'], why: 'builds the fuzzers' },
        { there: () => which('clang-format'), packages: ['clang-format'], why: 'checks the C style' },
        { there: () => which('clang-tidy'), packages: ['clang-tidy'], why: 'checks the C code' },
        { there: chromium, packages: ['chromium'], why: 'runs the page tests' },
    ],
};

/** Installs the missing packages of these kinds ('build', 'test'). */
function ensurePackages(kinds) {
    const lacking = kinds.flatMap((kind) => needs[kind]).filter(({ there }) => !there());
    if (!lacking.length) return;
    for (const { packages, why } of lacking) say(`installing ${packages.join(' and ')} (${why})`);
    const names = lacking.flatMap(({ packages }) => packages);
    if (!which('apt-get')) throw new Failure(`not found here: ${names.join(', ')} (Debian's names); install them and try again`);
    update();
    install(names);
    const still = lacking.filter(({ there }) => !there());
    if (still.length) throw new Failure(`still not found after installing: ${still.flatMap(({ packages }) => packages).join(', ')}`);
}

/** Installs npm's development packages when they are missing or older than the lock file. */
function ensureNodeModules() {
    const mark = path.join(root, 'node_modules/.package-lock.json');
    if (existsSync(mark) && statSync(mark).mtimeMs >= statSync(path.join(root, 'package-lock.json')).mtimeMs) return;
    say('npm ci (development packages: Vite, TypeScript, Binaryen, Playwright)');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Everything that building needs, and with 'test' everything that testing needs. */
export function ensureTools(...kinds) {
    if (Number(process.versions.node.split('.')[0]) < 20) throw new Failure(`Node ${process.version} is too old: 20 or later is needed`);
    ensurePackages(kinds);
    ensureNodeModules();
    ensureEmscripten();
}

if (isMain(import.meta.url)) await main(() => ensureTools('build', 'test'));
