/* The built page on a cross-origin isolated server, in real Chromium: threads, and the address that overrides them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { hashCanvas, isolation, openPage, openSample } from './browser.mjs';

const DECODED = '.layer:not(.above) canvas';

describe('the page, cross-origin isolated', () => {
  const opened = [];
  after(() => Promise.all(opened.map(({ close }) => close())));

  /** Opens a sample on the page at this address; what runs, and what was painted. */
  async function painted(hash) {
    const { page, faults, close } = await openPage({ hash, headers: isolation });
    opened.push({ close });
    const { bytes } = await openSample(page, 1);
    const engine = await page.locator('header [data-engine]').textContent();
    const picture = await hashCanvas(page, DECODED);
    assert.deepEqual(faults, []);
    return { bytes, engine, picture };
  }

  it('runs the threads that its address asks for, and gives the same file and picture as one thread', async () => {
    const two = await painted('?threads=2');
    const one = await painted('?backend=relaxed');
    assert.match(two.engine, /^relaxed · 2 threads · worker$/);
    assert.match(one.engine, /^relaxed · worker$/);
    assert.deepEqual([two.bytes, two.picture], [one.bytes, one.picture]);
  });
});
