/* The built page without a network, in real Chromium: after one visit, everything is on this machine. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openPage, openSample } from './browser.mjs';

describe('the page offline', () => {
  let page, opened;
  before(async () => {
    opened = await openPage();
    ({ page } = opened);
  });
  after(() => opened?.close());

  it('says when it is ready', async () => {
    await page.getByText('Ready to work offline.').waitFor();
  });

  it('keeps a model that was asked for', async () => {
    await page.reload(); // from now on the service worker hands out
    await page.getByRole('tab', { name: 'Generate' }).click();
    await page.getByLabel('Model').selectOption('digits');
    await page.waitForSelector('.sheet canvas');
    const kept = await page.evaluate(async () => (await (await caches.open('on-demand')).keys()).map(({ url }) => url.replace(/.*\/|-[^-]*$/g, '')));
    assert.ok(kept.includes('digits'), kept.join());
  });

  it('loads and encodes with the server gone', async () => {
    await opened.server.close();
    await opened.context.setOffline(true);
    await page.reload();
    await page.waitForSelector('.sheet canvas'); // digits, as before
    await page.getByRole('tab', { name: 'Compress' }).click();
    const { bytes, psnr } = await openSample(page, 1);
    assert.ok(bytes > 500 && psnr > 18, `${bytes} bytes, PSNR ${psnr}`);
    await page.getByText('offline ready').waitFor();
  });

  it('has the pictures to train on, too', async () => {
    await page.getByRole('tab', { name: 'Train' }).click();
    for (const name of ['digits', 'avatars', 'emoji']) {
      await page.getByRole('button', { name: `Train on ${name}` }).click();
      await page.locator('.looks canvas').nth(1).waitFor();
      await page.getByRole('button', { name: 'Reset' }).click();
    }
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });
});
