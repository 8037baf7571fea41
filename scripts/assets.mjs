#!/usr/bin/env node
/* Makes the assets of the training tab, with Chromium's own WebP encoder:
 *   web/demo/public/data/{adventurer,pixelart,emoji}-N.webp   pictures to train on: sheets of 20 x 20 tiles of 64 x 64
 *   models/lpips-squeeze.safetensors                          the feature net of the perceptual loss: trunk and heads in one file
 *
 *     node scripts/assets.mjs DATA WEIGHTS
 *
 * DATA holds avatars/s00000.png, s00400.png ... (20 x 20 tiles each; the first 4,000 are adventurer, the rest pixelart)
 * and emoji/twemoji-64.png (48 columns) with emoji/index.jsonl, one line a tile. WEIGHTS holds squeezenet1_1.safetensors
 * and lpips-squeeze-v0.1.safetensors.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, root } from '../tests/web/browser.mjs';

const TILE = 64, COLUMNS = 20, PER_SHEET = COLUMNS * COLUMNS;
const SHEETS = 4; // of each style of avatars
const LOSSY = 0.85, LOSSLESS = 1; // pixel art is smaller without loss than with

/** In the page: tiles first..first+count-1 of a sheet `from` columns wide, over white, as a sheet of `columns`; base64 of the WebP. */
async function recode({ png, tile, from, first, count, columns, quality }) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const sheet = await createImageBitmap(new Blob([bytes(png)]));
  const canvas = new OffscreenCanvas(columns * tile, Math.ceil(count / columns) * tile);
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < count; i++) {
    const at = first + i;
    context.drawImage(sheet, (at % from) * tile, Math.floor(at / from) * tile, tile, tile, (i % columns) * tile, Math.floor(i / columns) * tile, tile, tile);
  }
  const blob = await canvas.convertToBlob({ type: 'image/webp', quality });
  const reader = new FileReader();
  reader.readAsDataURL(blob);
  await new Promise((resolve) => (reader.onload = resolve));
  return reader.result.split(',')[1];
}

async function makeSheets(data) {
  const out = join(root, 'web/demo/public/data');
  mkdirSync(out, { recursive: true });
  const { context, close } = await launch();
  const [page] = context.pages();
  let total = 0;
  const write = async (name, source, options) => {
    const png = readFileSync(source).toString('base64');
    const webp = Buffer.from(await page.evaluate(recode, { png, tile: TILE, columns: COLUMNS, from: COLUMNS, first: 0, count: PER_SHEET, ...options }), 'base64');
    writeFileSync(join(out, name), webp);
    total += webp.length;
  };
  for (const [name, start, quality] of [['adventurer', 0, LOSSY], ['pixelart', 4000, LOSSLESS]]) {
    for (let i = 0; i < SHEETS; i++) {
      await write(`${name}-${i}.webp`, join(data, `avatars/s${String(start + i * PER_SHEET).padStart(5, '0')}.png`), { quality });
    }
  }
  const emoji = readFileSync(join(data, 'emoji/index.jsonl'), 'utf8').trim().split('\n').length;
  for (let first = 0; first < emoji; first += PER_SHEET) {
    await write(`emoji-${first / PER_SHEET}.webp`, join(data, 'emoji/twemoji-64.png'), { from: 48, first, count: Math.min(PER_SHEET, emoji - first), quality: LOSSY });
  }
  await close();
  console.log(`${2 * SHEETS * PER_SHEET} avatars and ${emoji} emoji, ${total} bytes`);
}

/** Two safetensors files as one; the tensors' bytes follow one another. */
function merged(a, b, metadata) {
  const parts = [a, b].map((bytes) => {
    const length = Number(bytes.readBigUInt64LE(0));
    const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length));
    return { tensors, body: bytes.subarray(8 + length) };
  });
  const moved = Object.entries(parts[1].tensors).map(([name, tensor]) => [name, { ...tensor, data_offsets: tensor.data_offsets.map((at) => at + parts[0].body.length) }]);
  let header = JSON.stringify({ __metadata__: metadata, ...parts[0].tensors, ...Object.fromEntries(moved) });
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([size, Buffer.from(header), ...parts.map(({ body }) => body)]);
}

function makeFeatureNet(weights) {
  const net = merged(
    readFileSync(join(weights, 'squeezenet1_1.safetensors')), readFileSync(join(weights, 'lpips-squeeze-v0.1.safetensors')),
    { trunk: 'SqueezeNet 1.1, torchvision, BSD-3-Clause', heads: 'LPIPS v0.1, R. Zhang et al., BSD-2-Clause' },
  );
  writeFileSync(join(root, 'models/lpips-squeeze.safetensors'), net);
  console.log(`lpips-squeeze.safetensors, ${net.length} bytes`);
}

const [, , data, weights] = process.argv;
if (!weights) {
  console.error('usage: node scripts/assets.mjs DATA WEIGHTS');
  process.exit(2);
}
makeFeatureNet(weights);
await makeSheets(data);
