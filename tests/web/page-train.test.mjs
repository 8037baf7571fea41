/* The Train tab of the built page in real Chromium: learn, pause, reload, go on, use. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { accessibility, drop, encoded, openPage, saved } from './browser.mjs';

const STEPS = 800; // so many that a fast machine is still at it when the test asks for a pause

describe('the train tab', () => {
  let page, opened, kept;
  before(async () => {
    opened = await openPage({ hash: `#train?steps=${STEPS}&batch=8&codes=32` });
    ({ page } = opened);
  });
  after(() => opened?.close());

  const button = (name) => page.getByRole('button', { name, exact: true });
  const figure = (name) => page.locator('.panel .figures > div', { has: page.locator(`dt:text-is("${name}")`) }).locator('dd').innerText();
  const step = async () => Number((await figure('Step')).split('/')[0].replace(/\D/g, '') || 0);
  const reached = (n) => page.waitForFunction((least) => {
    const row = [...document.querySelectorAll('.figures > div')].find((div) => div.querySelector('dt').textContent === 'Step');
    return parseInt(row.querySelector('dd').textContent.replace(/,/g, ''), 10) >= least;
  }, n);

  it('trains on the digits and the loss falls', async () => {
    await button('Train on digits').click();
    await reached(60);
    const chart = page.locator('.chart', { has: page.getByRole('heading', { name: 'Loss' }) });
    const [, last, first] = (await chart.getByRole('img').getAttribute('aria-label')).match(/total is ([\d.e-]+), from ([\d.e-]+) at first/);
    assert.ok(Number(last) < 0.7 * Number(first), `from ${first} to ${last}`);
    await page.locator('.looks canvas').nth(1).waitFor();
    assert.match(await figure('Codes used'), /^\d+ \(\d+ %\)$/);
  });

  it('pauses, and steps one by one', async () => {
    await button('Pause').click();
    await button('Resume').waitFor();
    const before = await step();
    await button('One step').click();
    await reached(before + 1);
    await button('Resume').waitFor();
    assert.equal(await step(), before + 1);
    await page.getByText(`Checkpoint of step ${before + 1} is on this machine`).waitFor();
    assert.deepEqual(await accessibility(page), []);
    kept = before + 1;
  });

  it('goes on from its checkpoint after a reload', async () => {
    await page.reload();
    await page.getByRole('region', { name: 'Saved training' }).getByText(`step ${kept} of ${STEPS}`).waitFor();
    await page.getByRole('region', { name: 'Saved training' }).getByRole('button', { name: 'Resume' }).click();
    await reached(kept);
    assert.equal(await step(), kept);
    assert.equal(await page.getByLabel('Batch', { exact: true }).inputValue(), '8');
    await page.locator('.looks canvas').nth(1).waitFor();
    await page.locator('.transport').getByRole('button', { name: 'Resume' }).click();
    await reached(STEPS);
    await page.locator('.figures').getByText('done').waitFor();
  });

  it('exports the model', async () => {
    const file = await saved(page, () => button('Model').click());
    assert.match(file.name, /^tesserae-digits-800\.safetensors$/);
    const header = JSON.parse(file.bytes.subarray(8, 8 + Number(file.bytes.readBigUInt64LE(0))));
    const config = JSON.parse(header.__metadata__.tesserae);
    assert.equal(config.quantizer.size, 32);
    assert.deepEqual(header['quantizer.codebook'].shape.slice(0, 2), [1, 32]);
  });

  it('uses the model in the compress tab at once', async () => {
    await button('Use in Compress').click();
    const { bytes, psnr } = await encoded(page);
    assert.ok(bytes > 50 && bytes < 20000, `${bytes} bytes`);
    assert.ok(psnr > 8, `PSNR ${psnr}`);
    assert.match(await page.getByLabel('Model', { exact: true }).locator('option:checked').innerText(), /^Trained here/);
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });

  it('forgets on reset', async () => {
    await page.getByRole('tab', { name: 'Train' }).click();
    await button('Reset').click();
    await button('Train on digits').waitFor();
    await page.getByText('Training is reset.').waitFor({ state: 'attached' }); // the checkpoint is gone
    await page.waitForFunction(() => location.hash.startsWith('#train')); // the address follows a little later
    await page.reload();
    await button('Train on digits').waitFor();
    await page.waitForTimeout(300); // an offer would have come by now
    assert.equal(await page.getByRole('region', { name: 'Saved training' }).count(), 0);
  });

  it('forgets on reset what was being written just then', async () => {
    await page.evaluate(() => { // the next write of a file ends when the test says so
      const { close } = FileSystemWritableFileStream.prototype;
      globalThis.held = {};
      const go = new Promise((resolve) => (held.release = resolve));
      FileSystemWritableFileStream.prototype.close = async function () {
        held.writing = true;
        await go;
        return close.call(this);
      };
    });
    await button('Train on digits').click();
    await reached(5);
    await button('Pause').click();
    await page.waitForFunction('held.writing');
    await button('Reset').click();
    await button('Train on digits').waitFor();
    await page.waitForTimeout(300); // a removal that did not wait for the write would have been tried by now
    await page.evaluate('held.release()');
    await page.getByText('Training is reset.').waitFor({ state: 'attached' });
    await page.waitForTimeout(100); // a mark that came late would stand there
    await page.reload();
    await button('Train on digits').waitFor();
    await page.waitForTimeout(300);
    assert.equal(await page.getByRole('region', { name: 'Saved training' }).count(), 0);
  });

  it('trains on dropped pictures, which the checkpoint keeps', async () => {
    const files = ['parakeet', 'coast'].map((name) => ({ name: `${name}.jpg`, type: 'image/jpeg', bytes: readFileSync(new URL(`../../models/samples/${name}.jpg`, import.meta.url)) }));
    await drop(page, files);
    await button('Train on 2 pictures').click();
    await reached(5);
    await button('Pause').click();
    await page.getByText(/^Checkpoint of step \d+ is on this machine/).waitFor();
    const at = await step();
    await page.reload();
    const offer = page.getByRole('region', { name: 'Saved training' });
    await offer.getByText(`2 of your pictures, step ${at} of`).waitFor();
    await offer.getByRole('button', { name: 'Resume' }).click();
    await page.locator('.looks canvas').nth(3).waitFor();
    assert.equal(await step(), at);
    assert.deepEqual(opened.faults, []);
  });
});
