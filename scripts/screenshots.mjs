#!/usr/bin/env node
/* Pictures of the built page for the README (docs/img) and, with --icons, the app icons from icon.svg.
 *
 *     npm run build && node scripts/screenshots.mjs [--icons] [NAME.png...]      all pictures by default
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openPage, openSample, root } from '../tests/web/browser.mjs';

const DESKTOP = { width: 1280, height: 800 }, PHONE = { width: 390, height: 844 };
const TRAINING_STEPS = 1200;

/** [{ file, viewport, colorScheme, hash?, act }]: what each picture shows. */
const shots = [
  { file: 'compress.png', viewport: DESKTOP, colorScheme: 'light', hash: '#compress?rule=bpp&bpp=0.2', act: (page) => openSample(page, 2) },
  { file: 'tokens.png', viewport: DESKTOP, colorScheme: 'dark', hash: '#compress?paint=bits', act: showBits },
  { file: 'train.png', viewport: DESKTOP, colorScheme: 'light', hash: `#train?preset=vqgan&data=avatars&side=64&codes=512&steps=${TRAINING_STEPS}`, act: showTraining },
  { file: 'generate.png', viewport: DESKTOP, colorScheme: 'dark', hash: `#generate?temperature=0.8&prompt=${encodeURIComponent('cartoon face, pale skin, short black hair, glasses, peach background')}`, act: showSamples },
  { file: 'upscale.png', viewport: DESKTOP, colorScheme: 'light', hash: '#upscale', act: showEnlarged },
  { file: 'start.png', viewport: DESKTOP, colorScheme: 'light', act: async () => {} },
  { file: 'inpaint.png', viewport: DESKTOP, colorScheme: 'light', hash: '#inpaint?brush=5', act: showFilled },
  { file: 'phone-compress.png', viewport: PHONE, colorScheme: 'dark', hash: '#compress?rule=bpp&bpp=0.2', act: (page) => openSample(page, 1) },
  { file: 'phone-tokens.png', viewport: PHONE, colorScheme: 'light', act: showTokens },
];

async function showTokens(page) {
  await openSample(page, 2);
  await page.getByRole('tab', { name: 'Tokens' }).click();
  await page.waitForFunction(() => {
    const [, all, done] = document.querySelector('.atlas').getAttribute('aria-label').match(/^(\d+) codes, (\d+) shown/);
    return all === done;
  });
  const box = await page.locator('.token-map').boundingBox();
  await page.mouse.move(box.x + box.width * 0.46, box.y + box.height * 0.5);
}

async function showBits(page) {
  await showTokens(page);
  await page.locator('.totals').waitFor();
}

async function showTraining(page) {
  await page.locator('.transport').getByRole('button', { name: 'Start' }).click();
  await page.locator('.transport').getByText('Done').waitFor({ timeout: 300_000 });
  await page.locator('.looks canvas').nth(1).waitFor();
}

async function showSamples(page) {
  await page.waitForFunction(() => document.querySelector('.sheet canvas') && !document.querySelector('.sheet .raw'), null, { timeout: 120_000 });
}

async function showEnlarged(page) {
  await page.locator('.samples button').nth(2).click();
  await page.locator('.stage[aria-busy=false] .mix canvas + canvas').waitFor({ timeout: 120_000 });
  const box = await page.locator('.compare').boundingBox();
  await page.mouse.move(box.x + box.width * 0.47, box.y + box.height * 0.3); // beside the divider's handle, which does not zoom
  await page.mouse.wheel(0, -300);
}

/** The twig at the left is masked and filled. */
async function showFilled(page) {
  await page.locator('.samples button').nth(2).click();
  const { x, y, width, height } = await page.locator('.surface .layer canvas').boundingBox();
  const twig = [[0.165, 0], [0.14, 0.2], [0.105, 0.45], [0.07, 0.7], [0.04, 0.85]];
  await page.mouse.move(x + width * twig[0][0], y + height * twig[0][1]);
  await page.mouse.down();
  for (const [part, down] of twig.slice(1)) await page.mouse.move(x + width * part, y + height * down, { steps: 5 });
  await page.mouse.up();
  await page.getByRole('button', { name: 'Fill the mask' }).click();
  await page.locator('.fills').waitFor({ timeout: 300_000 });
}

async function icons() {
  const svg = readFileSync(join(root, 'web/demo/public/icon.svg'), 'utf8');
  for (const side of [192, 512]) {
    const { context, close } = await launch({ viewport: { width: side, height: side } });
    const [page] = context.pages();
    await page.setContent(`<style>body{margin:0;background:#1b1b1f}svg{width:100vw;height:100vh;display:block}</style>${svg}`);
    await page.screenshot({ path: join(root, `web/demo/public/icon-${side}.png`) });
    await close();
  }
}

if (process.argv.includes('--icons')) {
  await icons();
} else {
  mkdirSync(join(root, 'docs/img'), { recursive: true });
  const wanted = process.argv.slice(2);
  for (const { file, act, ...options } of shots) {
    if (wanted.length && !wanted.includes(file)) continue;
    const { page, close } = await openPage({ ...options, serviceWorkers: 'block' });
    await act(page);
    await page.waitForTimeout(400); // transitions, the last frame of a chart
    await page.screenshot({ path: join(root, 'docs/img', file) });
    await close();
    console.log(`docs/img/${file}`);
  }
}
