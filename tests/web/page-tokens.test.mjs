/* The Tokens tab of the built page in real Chromium: token map, codebook atlas, and the link between the two. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessibility, openPage, openSample, saved } from './browser.mjs';

describe('the tokens tab', () => {
  let page, opened, tokens;
  before(async () => {
    opened = await openPage({ colorScheme: 'dark' });
    ({ page } = opened);
    await openSample(page);
    await page.getByRole('tab', { name: 'Tokens' }).click();
  });
  after(() => opened?.close());

  const inspector = () => page.locator('.inspector').innerText();

  it('saves the tokens', async () => {
    const file = await saved(page, () => page.getByRole('button', { name: 'Tokens JSON' }).click());
    tokens = JSON.parse(file.bytes);
    assert.equal(tokens.data.length, tokens.width * tokens.height * tokens.levels);
  });

  it('tells the token under the pointer, as the file has it', async () => {
    const map = page.getByRole('application', { name: /^Tokens of level 1/ });
    await map.focus();
    await page.keyboard.press('ArrowDown'); // the first key enters at the first token
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    const code = tokens.data[tokens.width + 1];
    const places = tokens.data.slice(0, tokens.width * tokens.height).filter((token) => token === code).length;
    const text = await inspector();
    assert.match(text, new RegExp(`^Code ${code}\\n`));
    assert.match(text, /row 2, column 2/);
    assert.ok(text.includes(`${places.toLocaleString('en')} place`), text);
    await page.keyboard.press('Escape');
    const box = await map.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    assert.match(await inspector(), /^Code \d+\nrow \d+, column \d+/);
  });

  it('paints what is lit as often as the code occurs', async () => {
    const lit = await page.locator('canvas.veil').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let clear = 0;
      for (let i = 3; i < data.length; i += 4) clear += data[i] === 0;
      return clear;
    });
    const code = Number((await inspector()).match(/^Code (\d+)/)[1]);
    assert.equal(lit, tokens.data.slice(0, tokens.width * tokens.height).filter((token) => token === code).length);
  });

  it('decodes the whole codebook and links it', async () => {
    const atlas = page.getByRole('application', { name: /^\d+ codes, / });
    await page.waitForFunction(() => {
      const [, all, done] = document.querySelector('.atlas').getAttribute('aria-label').match(/^(\d+) codes, (\d+) shown/);
      return all === done;
    });
    const drawn = await page.locator('.atlas canvas').evaluate((canvas) => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size);
    assert.ok(drawn > 50, `${drawn} colours in the atlas`);
    await atlas.focus();
    await page.keyboard.press('End');
    const before = await inspector();
    await page.locator('.near button').first().click();
    assert.notEqual(await inspector(), before);
    assert.match(await inspector(), /from the codebook/);
  });

  it('has the other levels, and no barriers', async () => {
    const levels = page.getByLabel('Level', { exact: true });
    if (await levels.count()) {
      await levels.selectOption('1');
      await page.getByRole('application', { name: /^Tokens of level 2/ }).waitFor();
    }
    assert.deepEqual(await accessibility(page), []);
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });
});
