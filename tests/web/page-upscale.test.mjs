/* The Upscale tab of the built page in real Chromium, with a tiny model and its part in the place of those that ship. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loadModel } from '../../dist/node.js';
import { readPNG } from '../../web/png.js';
import { accessibility, drop, encoded, openPage, saved } from './browser.mjs';
import { asRGBA } from './pictures.mjs';
import { fixture, split } from './safetensors.mjs';

const SMOOTH = '.mix canvas:first-child', SHARP = '.mix canvas + canvas', BICUBIC = '.layer.above canvas';
const MODEL = /\/photo-[^/]*\.safetensors$/, PART = /\/photo\.upscaler[^/]*\.safetensors$/;
const whole = fixture('upscaler');
const { model, part } = split(whole, 'upscaler', (await loadModel(whole)).info.hash);
const file = (bytes) => (route) => route.fulfill({ body: Buffer.from(bytes), contentType: 'application/octet-stream' });

const button = (page, name) => page.getByRole('button', { name, exact: true });
const sample = (page, n = 0) => page.locator('.samples button').nth(n).click();
/** Waits until both answers are on screen. */
async function enlarged(page) {
  await page.waitForSelector('.stage[aria-busy=false] .compare');
  await page.locator(SHARP).waitFor();
}

/** What a canvas shows, once it shows anything: { data, width, height } of RGBA. */
async function pixelsOf(page, selector) {
  const { text, width, height } = await page.locator(selector).evaluate(async (canvas) => {
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    let image;
    do {
      await new Promise(requestAnimationFrame);
      context.drawImage(canvas, 0, 0);
      image = context.getImageData(0, 0, canvas.width, canvas.height);
    } while (!image.data[3]);
    const blob = new Blob([image.data]);
    const url = await new Promise((resolve) => Object.assign(new FileReader(), { onload: ({ target }) => resolve(target.result) }).readAsDataURL(blob));
    return { text: url.split(',')[1], width: image.width, height: image.height };
  });
  return { data: new Uint8ClampedArray(Buffer.from(text, 'base64')), width, height };
}

/** The largest difference of two pictures' values. */
const distance = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
const mixed = (a, b, share) => a.map((value, i) => value + share * (b[i] - value));

/** The bytes of a PNG that the page paints: red above blue. */
async function painted(page, width, height) {
  return Buffer.from(await page.evaluate(async ([w, h]) => {
    const canvas = new OffscreenCanvas(w, h), context = canvas.getContext('2d');
    context.fillStyle = 'red';
    context.fillRect(0, 0, w, h);
    context.fillStyle = 'blue';
    context.fillRect(0, h >> 1, w, h);
    return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
  }, [width, height]));
}

describe('the upscale tab', () => {
  let page, opened, asked = 0;
  before(async () => {
    opened = await openPage({ serviceWorkers: 'block' }); // its requests would not be seen here
    ({ page } = opened);
    await opened.context.route(MODEL, file(model));
    await opened.context.route(PART, (route) => {
      asked++;
      return file(part)(route);
    });
  });
  after(() => opened?.close());

  const sharpness = () => page.getByRole('slider', { name: 'Sharpness' });
  const size = () => page.locator('.headline strong').innerText();
  const png = async () => {
    const { name, bytes } = await saved(page, () => button(page, 'Download PNG').click());
    const pixels = readPNG(bytes);
    return { name, ...pixels, data: asRGBA(pixels) };
  };
  let smooth, sharp;

  it('makes a sample small and large again; its part is fetched then, not before', async () => {
    await page.getByRole('tab', { name: 'Upscale' }).click();
    assert.deepEqual(await accessibility(page), []);
    assert.equal(asked, 0);
    await sample(page);
    await enlarged(page);
    assert.ok(asked > 0);
    assert.match(await page.locator('.file-name').innerText(), /^coast-small\.png\s*192 × 128$/);
    assert.equal(await size(), '768 × 512');
    assert.match(await page.locator('[role=status]').first().textContent(), /^Done: 768 by 512 pixels/);
    assert.deepEqual(await accessibility(page), []);
  });

  it('shows both answers beside the bicubic one', async () => {
    [smooth, sharp] = [await pixelsOf(page, SMOOTH), await pixelsOf(page, SHARP)];
    const bicubic = await pixelsOf(page, BICUBIC);
    for (const { width, height } of [smooth, sharp, bicubic]) assert.deepEqual([width, height], [768, 512]);
    assert.ok(distance(smooth.data, sharp.data) > 8 && distance(smooth.data, bicubic.data) > 8, 'they differ');
    assert.equal(await page.locator('.tag.left').innerText(), 'Bicubic');
    await page.getByRole('radio', { name: 'Original' }).check(); // of a sample, what it was shrunk from is known
    await page.locator('.tag.left').filter({ hasText: 'Original' }).waitFor();
    const original = await pixelsOf(page, BICUBIC);
    assert.ok(distance(original.data, bicubic.data) > 8);
    await page.getByRole('radio', { name: 'Bicubic' }).check();
  });

  it('mixes them as the slider moves, without another run, on screen as in the file', async () => {
    const shown = () => page.locator('.mix canvas').evaluateAll((all) => all.map((canvas) => Number(getComputedStyle(canvas).opacity)));
    assert.equal(await sharpness().getAttribute('aria-valuetext'), '50 %');
    assert.deepEqual(await shown(), [0.5, 0.5]);
    await sharpness().press('End');
    await page.waitForFunction(() => document.querySelector('.mix canvas').style.opacity === '0');
    assert.equal(await sharpness().getAttribute('aria-valuetext'), 'sharp');
    const whole = await png();
    assert.equal(whole.name, 'coast-small-x4.png');
    assert.equal(distance(whole.data, sharp.data), 0);

    await sharpness().press('Home');
    await page.waitForFunction(() => document.querySelector('.mix canvas').style.opacity === '1');
    assert.equal(await sharpness().getAttribute('aria-valuetext'), 'smooth');
    assert.deepEqual(await shown(), [1, 0]);
    assert.equal(distance((await png()).data, smooth.data), 0);

    await sharpness().fill('0.25');
    assert.equal(await sharpness().getAttribute('aria-valuetext'), '25 %');
    assert.deepEqual(await shown(), [0.75, 0.25]);
    const quarter = await png();
    assert.ok(distance(quarter.data, mixed(smooth.data, sharp.data, 0.25)) <= 1);

    await page.getByRole('slider', { name: /^Divider/ }).press('Home'); // nothing of the bicubic picture
    const frame = await page.locator('.layer:not(.above) .picture').boundingBox();
    const style = '.tag, .divider, .zoom-bar, .notices { visibility: hidden !important }';
    const screen = readPNG(await page.screenshot({ clip: frame, style }));
    const mean = ({ data, channels = 4 }, c) => data.reduce((sum, value, i) => sum + (i % channels === c ? value : 0), 0) / (data.length / channels);
    for (const c of [0, 1, 2]) assert.ok(Math.abs(mean(screen, c) - mean(quarter, c)) < 2, `channel ${c}: ${mean(screen, c)} on screen, ${mean(quarter, c)} in the file`);
    assert.equal(asked, 1);
    assert.equal(await page.locator('.progress').count(), 0);
  });

  it('is worked by keys: divider and zoom', async () => {
    const divider = page.getByRole('slider', { name: /^Divider between Bicubic and Tesserae/ });
    await divider.press('End');
    await divider.press('PageDown');
    assert.equal(await divider.getAttribute('aria-valuenow'), '90');
    const place = () => page.locator('.compare').evaluate((box) => box.style.getPropertyValue('--place'));
    const fit = await place();
    await page.locator('.compare').press('+');
    assert.notEqual(await place(), fit);
    await page.locator('.compare').press('0');
    assert.equal(await place(), fit);
  });

  it('takes another factor, and keeps the settings in the address', async () => {
    await page.getByRole('radio', { name: '× 2' }).check();
    await page.waitForFunction(() => document.querySelector('.mix canvas + canvas')?.width === 384);
    await enlarged(page);
    assert.equal(await size(), '384 × 256');
    assert.match(await page.locator('.command').innerText(), /tesserae upscale coast-small\.png --factor 2 --sharpness 0\.25 -o coast-small-x2\.png/);
    await page.waitForFunction(() => /^#upscale\?.*factor=2.*sharpness=0\.25/.test(location.hash));
    await page.reload();
    assert.equal(await page.getByRole('radio', { name: '× 2' }).isChecked(), true);
    assert.equal(await sharpness().inputValue(), '0.25');
    assert.equal(asked, 1, 'nothing is fetched before there is a picture');
  });

  it('shows what it had when another tab was looked at meanwhile', async () => {
    await sample(page, 2);
    await enlarged(page);
    const before = await pixelsOf(page, SHARP);
    await page.getByRole('tab', { name: 'Tokens' }).click();
    await page.getByRole('tab', { name: 'Upscale' }).click();
    await enlarged(page);
    assert.equal(distance((await pixelsOf(page, SHARP)).data, before.data), 0);
    assert.deepEqual((await pixelsOf(page, BICUBIC)).width, 384);
  });

  it('opens a dropped picture here, says what is wrong with a bad one, and with one that is too large', async () => {
    await drop(page, [{ name: 'two.png', bytes: await painted(page, 31, 17), type: 'image/png' }]);
    await page.waitForFunction(() => document.querySelector('.file-name').title === 'two.png');
    await enlarged(page);
    assert.equal(await size(), '62 × 34');
    assert.deepEqual([(await pixelsOf(page, SHARP)).width, (await pixelsOf(page, BICUBIC)).height], [62, 34]);
    await drop(page, [{ name: 'broken.jpg', bytes: Buffer.from('no picture at all'), type: 'image/jpeg' }]);
    await page.getByRole('alert').filter({ hasText: 'broken.jpg is not a picture' }).waitFor();
    assert.equal(await page.locator('.file-name').getAttribute('title'), 'two.png');
    await page.getByRole('radio', { name: '× 4' }).check();
    await drop(page, [{ name: 'large.png', bytes: await painted(page, 1100, 1000), type: 'image/png' }]);
    await page.getByRole('alert').filter({ hasText: /1100 × 1000.*12 megapixels.*Take factor 2/ }).waitFor();
    assert.equal(await page.locator('.stage').getAttribute('aria-busy'), 'false');
  });

  it('opens the answer in the Compress tab', async () => {
    await button(page, 'Close the picture').click();
    await sample(page, 1);
    await enlarged(page);
    await button(page, 'Compress').click();
    await encoded(page);
    assert.match(await page.locator('.file-name').innerText(), /^mural-small-x4\.png\s*768 × 512$/);
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });
});

describe('the upscale tab without its part', () => {
  it('can be cancelled, says what is missing, and tries again', async () => {
    const opened = await openPage({ hash: '#upscale', serviceWorkers: 'block' });
    try {
      const { page, context } = opened;
      await context.route(MODEL, file(model));
      let late;
      const fetching = new Promise((resolve) => context.route(PART, (route) => {
        late = route;
        resolve();
      }));
      await sample(page);
      await fetching;
      await button(page, 'Cancel').click();
      await page.getByText('Cancelled.').waitFor();
      assert.equal(await page.locator('.stage').getAttribute('aria-busy'), 'false');
      await late.fulfill({ status: 404, body: 'not here' });
      await context.unroute(PART);
      await context.route(PART, (route) => route.fulfill({ status: 404, body: 'not here' }));
      await button(page, 'Enlarge').click();
      await page.getByRole('alert').filter({ hasText: /The upscaler could not be fetched.*answered 404/ }).waitFor();
      assert.deepEqual(await accessibility(page), []);
      await context.unroute(PART);
      await context.route(PART, file(part));
      await button(page, 'Try again').click();
      await enlarged(page);
      assert.deepEqual(opened.faults, []);
    } finally {
      await opened.close();
    }
  });
});

describe('the upscale tab offline', () => {
  it('works after its first use, with the model and the part that ship', async () => {
    const opened = await openPage({ hash: '#upscale' });
    try {
      const { page } = opened;
      const picture = [{ name: 'tiny.png', bytes: await painted(page, 20, 12), type: 'image/png' }];
      await page.getByText('Ready to work offline.').waitFor();
      await page.reload(); // now the service worker answers
      await drop(page, picture);
      await enlarged(page);
      const before = await pixelsOf(page, SHARP);
      await opened.server.close();
      await opened.context.setOffline(true);
      await page.reload();
      await drop(page, picture);
      await enlarged(page);
      assert.equal(distance((await pixelsOf(page, SHARP)).data, before.data), 0);
      assert.deepEqual(opened.faults, []);
    } finally {
      await opened.close();
    }
  });
});
