// Gets an Emscripten that can build relaxed SIMD (3.1.58 or later). One on the PATH is taken as it is. Debian 12's own is
// too old, but Debian 13's is one architecture-independent package over compilers that Debian 12 has (clang-19, lld-19,
// llvm-19): it is installed from there through a package list of its own, so the machine's apt set-up stays as it was.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { debianSources, install, update, aptGet } from './lib/apt.mjs';
import { ask, Failure, isMain, main, say, which } from './lib/run.mjs';

const oldest = [3, 1, 58];

/** The version of the emcc on the PATH as [major, minor, patch], or null. */
export function emccVersion() {
    const found = which('emcc') && ask('emcc', ['-dumpversion'])?.match(/^(\d+)\.(\d+)\.(\d+)/);
    return found ? found.slice(1).map(Number) : null;
}

const atLeast = (version, floor) => {
    const at = version.findIndex((part, i) => part !== floor[i]);
    return at < 0 || version[at] > floor[at];
};

/** Makes sure that `emcc` is there, and returns its version as text. */
export function ensureEmscripten() {
    const present = emccVersion();
    if (present && atLeast(present, oldest)) return present.join('.');
    const had = present ? `the emcc on the PATH is ${present.join('.')}` : 'there is no emcc on the PATH';
    const wanted = `Emscripten ${oldest.join('.')} or later`;
    if (!which('apt-get')) throw new Failure(`${had}: install ${wanted} (emsdk, Homebrew) and try again`);
    say(`installing Emscripten (compiles the C core to WebAssembly; ${had}, ${wanted} is needed)`);
    update();
    const sources = debianSources();
    const bookworm = sources.find(({ suite }) => suite === 'bookworm' || suite === 'oldstable');
    if (bookworm) installFromTrixie(sources, bookworm.site);
    else install(['emscripten']);
    const now = emccVersion();
    if (!now || !atLeast(now, oldest)) throw new Failure(`apt gave Emscripten ${now?.join('.') ?? 'none'}: install ${wanted} by hand and put emcc on the PATH`);
    return now.join('.');
}

/** Debian 12: the emscripten package alone from trixie, what it depends on from the machine's own release. */
function installFromTrixie(sources, site) {
    const folder = mkdtempSync(path.join(tmpdir(), 'tesserae-apt-'));
    chmodSync(folder, 0o755); // apt fetches as a user of its own
    try {
        mkdirSync(path.join(folder, 'lists'));
        const suites = [...sources.map(({ site: from, suite }) => [from, suite]), [site, 'trixie']];
        const list = path.join(folder, 'sources.list');
        writeFileSync(list, suites.map(([from, suite]) => `deb ${from} ${suite} main\n`).join(''));
        const pins = path.join(folder, 'preferences');
        writeFileSync(pins, 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n');
        const options = [
            `Dir::Etc::sourcelist=${list}`,
            'Dir::Etc::sourceparts=/dev/null',
            `Dir::Etc::preferences=${pins}`,
            'Dir::Etc::preferencesparts=/dev/null',
            `Dir::State::lists=${folder}/lists`,
            'Dir::Cache::pkgcache=',
            'Dir::Cache::srcpkgcache=',
        ].flatMap((option) => ['-o', option]);
        aptGet([...options, 'update', '-q']);
        install(['emscripten/trixie'], options);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

if (isMain(import.meta.url)) await main(() => console.log(`emcc ${ensureEmscripten()}`));
