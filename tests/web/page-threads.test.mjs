/* The built page in real Chromium, with and without cross-origin isolation: threads, workers, and the address that sets them. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { hashCanvas, isolation, openPage, openSample } from './browser.mjs';

const DECODED = '.layer:not(.above) canvas';

describe('the page with more than one core', () => {
  const opened = [];
  after(() => Promise.all(opened.map(({ close }) => close())));

  /** Opens a sample on the page at this address; what runs, and what was painted. */
  async function painted(hash, headers) {
    const { page, faults, close } = await openPage({ hash, headers });
    opened.push({ close });
    const { bytes } = await openSample(page, 1);
    const engine = await page.locator('header [data-engine]').textContent();
    const picture = await hashCanvas(page, DECODED);
    assert.deepEqual(faults, []);
    return { bytes, engine, picture };
  }

  it('runs the threads or workers that its address asks for, and gives the file and the picture of one thread', async () => {
    const two = await painted('?threads=2', isolation);
    const one = await painted('?backend=relaxed', isolation);
    assert.match(two.engine, /^relaxed · 2 threads · worker$/);
    assert.match(one.engine, /^relaxed · worker$/);
    assert.deepEqual([two.bytes, two.picture], [one.bytes, one.picture]);
    const pool = await painted('?workers=2');
    assert.match(pool.engine, /^relaxed · 2 workers$/);
    assert.deepEqual([pool.bytes, pool.picture], [one.bytes, one.picture]);
  });
});
