/* The Compress tab of the built page in real Chromium. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { unzipSync } from 'fflate';
import { readInfo } from '../../web/format.js';
import { checkpoint } from './field.mjs';
import { accessibility, drop, encoded, hashCanvas, openPage, openSample, saved } from './browser.mjs';
import { withPredictors } from './predictor.mjs';

const DECODED = '.layer:not(.above) canvas';

describe('the compress tab', () => {
  let page, opened, file, figures, picture;
  before(async () => {
    opened = await openPage();
    ({ page } = opened);
  });
  after(() => opened?.close());

  it('loads and offers samples', async () => {
    assert.equal(await page.title(), 'Tesserae: photos as tokens');
    assert.ok(await page.locator('.samples button').count() >= 1);
    assert.deepEqual(await accessibility(page), []);
  });

  it('encodes a sample and shows sane figures', async () => {
    figures = await openSample(page);
    const { bytes, bpp, psnr, msSsim, encode, decode, tokens } = figures;
    const [width, height] = (await page.locator('.file-name small').textContent()).split(' × ').map(Number);
    assert.ok(bytes > 500 && bytes < width * height, `${bytes} bytes`);
    assert.ok(Math.abs(bpp - (bytes * 8) / (width * height)) < 0.001, `${bpp} bpp`);
    assert.ok(psnr > 18 && psnr < 50, `PSNR ${psnr}`);
    assert.ok(msSsim > 0.7 && msSsim <= 1, `MS-SSIM ${msSsim}`);
    assert.match(encode, /^[\d.]+ m?s$/);
    assert.match(decode, /^[\d.]+ m?s$/);
    assert.match(tokens, /^\d+×\d+×\d+$/);
    assert.match(await page.locator('[role=status]').first().textContent(), /Done: .* bits per pixel/);
    picture = await hashCanvas(page, DECODED);
  });

  it('moves the divider by keys and by pointer', async () => {
    const handle = page.getByRole('slider', { name: /^Divider/ });
    const now = async () => Number(await handle.getAttribute('aria-valuenow'));
    const clip = () => page.locator('.layer.above').evaluate((layer) => getComputedStyle(layer).clipPath);
    await handle.focus();
    await page.keyboard.press('Home');
    assert.equal(await now(), 0);
    assert.match(await clip(), /100%/);
    await page.keyboard.press('ArrowRight');
    assert.equal(await now(), 2);
    await page.keyboard.press('End');
    assert.equal(await now(), 100);
    const box = await page.locator('.compare').boundingBox();
    await page.mouse.move(box.x + box.width * 0.9, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.25, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    assert.ok(Math.abs(await now() - 25) <= 1, `${await now()}`);
  });

  it('zooms by keys and pans', async () => {
    const place = () => page.locator('.compare').evaluate((box) => box.style.getPropertyValue('--place'));
    const fit = await place();
    await page.locator('.compare').focus();
    await page.keyboard.press('+');
    const near = await place();
    assert.notEqual(near, fit);
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await place(), near);
    await page.keyboard.press('0');
    assert.equal(await place(), fit);
  });

  it('downloads a .tess of just these bytes', async () => {
    file = await saved(page, () => page.getByRole('button', { name: 'Download .tess' }).click());
    assert.match(file.name, /\.tess$/);
    assert.equal(file.bytes.length, figures.bytes);
    const info = readInfo(file.bytes);
    assert.equal(`${info.width} × ${info.height}`, await page.locator('.file-name small').textContent());
  });

  it('saves the decoded picture as PNG', async () => {
    const png = await saved(page, () => page.getByRole('button', { name: 'PNG' }).click());
    assert.match(png.name, /\.png$/);
    assert.deepEqual([...png.bytes.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
    assert.equal(`${png.bytes.readUInt32BE(16)} × ${png.bytes.readUInt32BE(20)}`, await page.locator('.file-name small').textContent());
  });

  it('keeps settings in the address and encodes again when they change', async () => {
    await page.getByRole('slider', { name: 'Quality' }).focus();
    await page.keyboard.press('Home');
    await page.waitForFunction((bytes) => parseInt(document.querySelector('[data-figure=bytes]').title, 10) < bytes, figures.bytes);
    await page.waitForFunction(() => location.hash.includes('quality=0'));
    await page.reload();
    assert.equal(await page.getByRole('slider', { name: 'Quality' }).inputValue(), '0');
  });

  it('opens a dropped .tess to the same picture', async () => {
    await drop(page, [{ name: 'again.tess', bytes: file.bytes }]);
    const { bytes } = await encoded(page);
    assert.equal(bytes, file.bytes.length);
    assert.equal(await hashCanvas(page, DECODED), picture);
    await page.getByText('This is a .tess file').waitFor();
  });

  it('meets a target size', async () => {
    await page.goto(`${opened.server.url}#compress?rule=size&kilobytes=15`);
    await page.reload();
    const { bytes } = await openSample(page);
    assert.ok(bytes <= 15000 && bytes > 9000, `${bytes} bytes`);
  });

  it('shows a JPEG of the same size and the difference', async () => {
    await page.getByRole('radio', { name: 'JPEG' }).check();
    await page.getByText(/^JPEG (at|gets)/).waitFor();
    assert.match(await page.locator('.tag.left').textContent(), /^JPEG/);
    await page.getByRole('radio', { name: 'Difference' }).check();
    await page.getByText('Difference to the original').waitFor();
    assert.deepEqual(await accessibility(page), []);
  });

  it('names what is wrong with a bad file', async () => {
    await drop(page, [{ name: 'broken.jpg', bytes: Buffer.from('no picture at all'), type: 'image/jpeg' }]);
    await page.getByRole('alert').filter({ hasText: 'broken.jpg is not a picture' }).waitFor();
    await drop(page, [{ name: 'broken.tess', bytes: Buffer.from('no tokens either') }]);
    await page.getByRole('alert').filter({ hasText: 'broken.tess cannot be opened' }).waitFor();
    const cut = file.bytes.subarray(0, file.bytes.length >> 1);
    const damaged = Buffer.concat([cut.subarray(0, 8), Buffer.alloc(8, 0xff), cut.subarray(16)]);
    await drop(page, [{ name: 'damaged.tess', bytes: damaged }]);
    await page.getByRole('alert').filter({ hasText: /damaged\.tess|checksum|damaged|version|model/i }).last().waitFor();
  });

  it('cancels', async () => {
    const big = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(2600, 2000), context = canvas.getContext('2d');
      for (let i = 0; i < 4000; i++) {
        context.fillStyle = `hsl(${i * 37} 60% ${20 + (i % 60)}%)`;
        context.fillRect((i * 331) % 2600, (i * 177) % 2000, 90, 70);
      }
      const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg' })).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    });
    await drop(page, [{ name: 'big.jpg', bytes: Buffer.from(big, 'base64'), type: 'image/jpeg' }]);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled.').waitFor();
    await page.getByRole('button', { name: 'Close the picture' }).click();
    await openSample(page, 1);
  });

  it('takes several pictures and packs them into one ZIP', async () => {
    const names = ['parakeet', 'coast'];
    const files = names.map((name) => ({ name: `${name}.jpg`, type: 'image/jpeg', bytes: readFileSync(new URL(`../../models/samples/${name}.jpg`, import.meta.url)) }));
    await drop(page, files);
    await encoded(page);
    await page.getByRole('navigation', { name: 'Opened pictures' }).getByText('coast.jpg').click();
    await page.locator('.file-name').getByText('coast.jpg').waitFor();
    await encoded(page);
    const zip = unzipSync((await saved(page, () => page.getByRole('button', { name: 'All 2 as a ZIP' }).click())).bytes);
    assert.deepEqual(Object.keys(zip).sort(), ['coast.tess', 'parakeet.tess']);
    for (const bytes of Object.values(zip)) assert.equal(readInfo(bytes).width, 768);
  });

  it('codes with predictors where the model has some', async () => {
    const tiny = readFileSync(new URL('../fixtures/golden/tiny.safetensors', import.meta.url));
    const box = page.getByRole('checkbox', { name: /^Predict tokens/ });
    const coder = (name) => page.waitForFunction((text) => [...document.querySelectorAll('.panel .figures:not(.stale) dd')].some((dd) => dd.textContent === text), name);
    await page.goto(`${opened.server.url}#compress?predict=true`);
    await page.reload();
    assert.ok(await box.isChecked(), 'a link carries it');
    await drop(page, [{ name: 'plain.safetensors', bytes: tiny }]);
    assert.equal((await openSample(page)).coder, 'Contexts');
    await page.getByText('This model has no predictors.').waitFor();
    assert.deepEqual([await box.isDisabled(), await box.isChecked()], [true, false]);
    assert.doesNotMatch(await page.locator('.command code').innerText(), /--predict/);

    await drop(page, [{ name: 'able.safetensors', bytes: withPredictors(tiny, [0]) }]);
    await coder('Predictors');
    assert.deepEqual([await box.isEnabled(), await box.isChecked()], [true, true], 'the wish was kept');
    assert.match(await page.locator('.command code').innerText(), / --predict /);
    assert.deepEqual(await accessibility(page), []);
    const { bytes } = await saved(page, () => page.getByRole('button', { name: 'Download .tess' }).click());
    assert.equal(readInfo(bytes).coder, 'predictor');
    await box.focus();
    await page.keyboard.press('Space');
    await coder('Contexts');
    await page.waitForFunction(() => !location.hash.includes('predict'));
    await page.keyboard.press('Space');
    await coder('Predictors');
    await page.waitForFunction(() => location.hash.includes('predict=true'));
  });

  it('takes a checkpoint of the field as the model, by any of its names', async () => {
    await page.getByRole('button', { name: 'Close the picture' }).click();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose a photo' }).click()]);
    assert.ok(chooser.isMultiple());
    await chooser.setFiles({ name: 'vqgan.CKPT', mimeType: '', buffer: Buffer.from(checkpoint('diffusers')) });
    await page.getByText('vqgan.CKPT is now the model.').waitFor();
    for (const name of ['evil.pt', 'evil.pth', 'evil.bin']) {
      await drop(page, [{ name, bytes: readFileSync(new URL('../fuzz/corpus/torch/evil.pt', import.meta.url)) }]);
      await page.getByRole('alert').filter({ hasText: name }).filter({ hasText: 'os.system' }).waitFor();
    }
    await page.getByText('.safetensors .ckpt .pt .pth .bin').waitFor();
  });

  it('asked nobody else for anything, and nothing went wrong unseen', () => {
    assert.deepEqual(opened.foreign, []);
    assert.deepEqual(opened.faults, []);
  });
});
