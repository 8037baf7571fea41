// The published types, as strict consumers see them, with each way of resolving modules and without Node's types.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = (...args) => new Promise((resolve) => {
  execFile(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit', '--strict', '--ignoreConfig', '--target', 'es2022', '--lib', 'es2023,dom,dom.iterable', '--types', '', ...args,
    'tests/web/consumer.ts'], { cwd: root }, (_, out, err) => resolve(out + err));
});

for (const [module, resolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
  test(`a strict consumer compiles with ${resolution} resolution`, async () => assert.equal(await tsc('--module', module, '--moduleResolution', resolution), ''));
}
