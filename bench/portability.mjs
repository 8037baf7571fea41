// Do .tess files decode to the same tokens everywhere?
//
//     node bench/portability.mjs FILE.tess... [--native PROGRAM]...
//
// Every file's tokens by each native program given (builds of `tesserae` with different SIMD), by the WebAssembly builds in Node
// (simd, relaxed, relaxed with threads, two workers), and in Chromium. Prints how many files agree with the first; exits 1 if any does not.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createCodec } from '../dist/node.js';
import { launch } from '../tests/web/browser.mjs';
import { serving } from '../tests/web/ladder.mjs';

const { values, positionals: files } = parseArgs({ allowPositionals: true, options: { native: { type: 'string', multiple: true, default: [] } } });
const hash = (tokens) => createHash('sha256').update(Uint16Array.from(tokens)).digest('hex');

function native(program) {
  return files.map((file) => hash(JSON.parse(execFileSync(program, ['tokens', file], { maxBuffer: 2 ** 28 })).data));
}

async function node(options) {
  const codec = await createCodec(options);
  const out = [];
  for (const file of files) out.push(hash((await codec.tokens(readFileSync(file))).data));
  await codec.dispose();
  return out;
}

async function chromium() {
  const site = await serving({ extra: { '/start.js': "import { createCodec } from '/dist/index.js'; globalThis.codec = await createCodec();" } });
  const browser = await launch();
  try {
    const page = await browser.context.newPage();
    await page.goto(site.url);
    await page.addScriptTag({ type: 'module', url: '/start.js' });
    await page.waitForFunction('globalThis.codec');
    const out = [];
    for (const file of files) {
      const text = readFileSync(file).toString('base64');
      out.push(hash(await page.evaluate(async (base64) => [...(await codec.tokens(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))).data], text)));
    }
    return out;
  } finally {
    await browser.close();
    await site.close();
  }
}

const ways = [
  ...values.native.map((program) => [program, () => native(program)]),
  ['WebAssembly simd', () => node({ backend: 'simd', workers: 1 })],
  ['WebAssembly relaxed', () => node({ backend: 'relaxed', workers: 1 })],
  ['WebAssembly, 2 threads', () => node({ threads: 2, workers: 1 })],
  ['WebAssembly, 2 workers', () => node({ workers: 2 })],
  ['Chromium', chromium],
];
let first;
for (const [name, run] of ways) {
  const hashes = await run();
  first ??= hashes;
  const same = hashes.filter((h, i) => h === first[i]).length;
  console.log(`${name}: ${same} of ${files.length}`);
  if (same < files.length) process.exitCode = 1;
}
