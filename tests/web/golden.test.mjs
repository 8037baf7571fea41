/* Golden files: every WebAssembly build reads the same tokens from them, in Node and in Chromium, and the build of the
 * exact class paints the same pixels. tests/engine/test_golden.c checks the same files natively and says what golden.txt holds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { launch, root, serve } from './browser.mjs';

const folder = 'tests/fixtures/golden/';
const golden = readFileSync(join(root, folder, 'golden.txt'), 'utf8').trim().split('\n').map((line) => {
  const [name, levels, height, width, tokens, pixels] = line.split(' ');
  return { name, levels: Number(levels), height: Number(height), width: Number(width), tokens, pixels };
});

/** CRC-32 of bytes as eight hex digits. */
function crc(bytes) {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (~value >>> 0).toString(16).padStart(8, '0');
}

/** What a file's tokens and RGBA pixels must be. `alpha` tells whether the file keeps it: golden.txt counts RGB otherwise. */
function check(file, { levels, height, width, tokens, pixels, alpha }, exact) {
  assert.deepEqual({ levels, height, width }, { levels: file.levels, height: file.height, width: file.width }, file.name);
  assert.equal(crc(tokens.flatMap((token) => [token & 255, token >> 8])), file.tokens, `tokens of ${file.name}`);
  if (exact) assert.equal(crc(alpha ? pixels : pixels.filter((_, i) => i % 4 !== 3)), file.pixels, `pixels of ${file.name}`);
}

/** Reads the golden files with a codec; runs in Node and, as text, in a page. */
async function readAll(codec, readInfo, files, bytesOf) {
  const found = [];
  for (const { name } of files) {
    const bytes = await bytesOf(name);
    const { levels, height, width, data } = await codec.tokens(bytes);
    const picture = await codec.decode(bytes);
    found.push({ levels, height, width, tokens: Array.from(data), pixels: Array.from(picture.data), alpha: readInfo(bytes).alpha });
  }
  await codec.dispose();
  return found;
}

it('golden files decode in Node', async () => {
  const { createCodec, readInfo } = await import('../../dist/node.js');
  const read = (name) => new Uint8Array(readFileSync(join(root, folder, name)));
  const codec = await createCodec({ model: read('tiny.safetensors') });
  const found = await readAll(codec, readInfo, golden, (name) => read(`${name}.tess`));
  golden.forEach((file, i) => check(file, found[i], codec.backend.build === 'simd128'));
});

describe('golden files decode in Chromium', () => {
  let server, browser, page;
  before(async () => {
    server = await serve(root);
    browser = await launch();
    [page] = browser.context.pages();
    await page.goto(`${server.url}${folder}golden.txt`); // any page of this origin
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const [build, file] of [['simd128', 'tesserae-simd.wasm'], ['relaxed', 'tesserae-relaxed.wasm']]) {
    it(`by the ${build} build`, async () => {
      const { found, ran } = await page.evaluate(async ({ files, at, wasm, source }) => {
        const { createCodec, readInfo } = await import('/dist/index.js');
        const codec = await createCodec({ model: `${at}tiny.safetensors`, wasmURL: `/dist/${wasm}`, cache: false });
        const bytesOf = async (name) => new Uint8Array(await (await fetch(`${at}${name}.tess`)).arrayBuffer());
        return { ran: codec.backend.build, found: await (0, eval)(`(${source})`)(codec, readInfo, files, bytesOf) };
      }, { files: golden, at: `/${folder}`, wasm: file, source: readAll.toString() });
      assert.equal(ran, build);
      golden.forEach((wanted, i) => check(wanted, found[i], build === 'simd128'));
    });
  }
});
