// What would be published: every file that package.json promises, nothing from the workshop, and the entry that Node takes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundled } from '../../web/model.js';

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8'));

test('the tarball holds what the exports name, and only what belongs there', async () => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: fileURLToPath(root), maxBuffer: 1 << 24 });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path);
  const targets = Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)));
  for (const target of [...targets, ...Object.values(manifest.bin)]) {
    const name = target.replace('./', '');
    if (!name.includes('*')) assert.ok(files.includes(name), `${name} is missing`);
  }
  for (const name of Object.keys(bundled())) assert.ok(files.includes(`models/${name}.safetensors`), name);
  for (const name of files) assert.match(name, /^(dist\/[\w.-]+\.(js|d\.ts|wasm)|dist\/cli\/[\w.-]+|bin\/[\w.-]+|models\/.+|docs\/(API|FORMAT)\.md|README\.md|LICENSE|CHANGELOG\.md|package\.json)$/);
  assert.deepEqual(manifest.dependencies ?? {}, {});
});

test('Node takes its own entry, by import and by require', async () => {
  assert.equal(import.meta.resolve('tesserae'), new URL('dist/node.js', root).href);
  const api = await import('tesserae');
  assert.equal(typeof api.createCodec, 'function');
  if (process.features.require_module) assert.equal(createRequire(import.meta.url)('tesserae').createCodec, api.createCodec);
});

test('both entries offer the same names, and those of the types', async () => {
  const names = async (file) => Object.keys(await import(new URL(file, root))).sort();
  const declared = (await readFile(new URL('dist/index.d.ts', root), 'utf8')).matchAll(/^export (?:function|class|const) (\w+)/gm);
  const wanted = [...new Set([...declared].map(([, name]) => name))].sort();
  assert.deepEqual(await names('dist/node.js'), wanted);
  assert.deepEqual(await names('dist/index.js'), wanted);
});

test('the page lists the models that ship, with the sizes of those that are fetched when they are asked for', async () => {
  const list = await readFile(new URL('web/demo/src/state/codec.js', root), 'utf8');
  for (const name of Object.keys(bundled())) {
    const [, said] = list.match(new RegExp(`label: '[^']*\\(built in(?:, ([\\d.]+) MB)?\\)', source: '${name}'`)) ?? assert.fail(`${name} is missing`);
    const { size } = await stat(new URL(`models/${name}.safetensors`, root));
    if (name !== 'photo') assert.equal(said, (size / 1e6).toFixed(1), name);
  }
});
