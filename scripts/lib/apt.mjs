// Debian packages: installing some, and reading which mirrors the machine itself uses.

import { ask, Failure, run, say, which } from './run.mjs';

const quietly = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0'];
let updated = false;

/** Runs apt-get as root (through sudo where needed) without questions. */
export function aptGet(args) {
    const words = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    if (process.getuid() !== 0) {
        if (!which('sudo')) throw new Failure(`needs root for: apt-get ${args.join(' ')} (run it as root, or install sudo)`);
        words.unshift('sudo');
    }
    run(words[0], words.slice(1), { quiet: true });
}

/** Brings the package lists up to date, once a run. */
export function update() {
    if (updated) return;
    say('apt-get update (package lists)');
    aptGet(['update', '-q']);
    updated = true;
}

/** Installs packages; `extra` are apt-get options that go before them. */
export function install(packages, extra = []) {
    aptGet([...extra, 'install', ...quietly, ...packages]);
}

/** Which of these packages the package manager doesn't hold as installed. */
export const missing = (packages) =>
    packages.filter((name) => ask('dpkg-query', ['-W', '-f', '${db:Status-Status}', name]) !== 'installed');

/**
 * The Debian archives that this machine takes packages from, as [{ site, suite, codename }]. Read from apt, so any
 * mirror and either form of sources file will do.
 */
export function debianSources() {
    const rows = ask('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE) $(CODENAME) $(COMPONENT) $(ORIGIN)', 'Identifier: Packages']);
    const seen = new Map();
    for (const row of (rows ?? '').split('\n')) {
        const [site, suite, codename, component, origin] = row.split(' ');
        if (origin === 'Debian' && component === 'main') seen.set(`${site} ${suite}`, { site, suite, codename });
    }
    return [...seen.values()];
}
