/* The Tokens tab of the built page in real Chromium: token map, codebook atlas, and the link between the two; where the bits go,
 * what could stand at a place, painting with codes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCodec, readInfo } from '../../dist/node.js';
import { accessibility, hashCanvas, openPage, openSample, saved } from './browser.mjs';

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

  const map = () => page.getByRole('application', { name: /^Tokens of level 1/ });
  const button = (name) => page.getByRole('button', { name, exact: true });
  const choose = (name) => page.getByRole('radio', { name, exact: true }).check({ force: true });
  const picture = () => hashCanvas(page, 'canvas.decoded');
  const now = async () => JSON.parse((await saved(page, () => button('Tokens JSON').click())).bytes).data;
  /** Where the middle of a token is on the screen. */
  const placeOf = async (column, row) => {
    const box = await page.locator('canvas.veil').boundingBox();
    return [box.x + ((column + 0.5) * box.width) / tokens.width, box.y + ((row + 0.5) * box.height) / tokens.height];
  };
  /** Waits until the picture is none of those, and stays. */
  const pictureOtherThan = async (...former) => {
    for (let last = ''; ; ) {
      const hash = await picture();
      if (!former.includes(hash) && hash === last) return hash;
      last = hash;
      await page.waitForTimeout(150);
    }
  };

  it('shows where the bits go, in colours, in a table and in words', async () => {
    await choose('Bits');
    await page.locator('.totals').waitFor();
    const rows = await page.locator('.totals tr').allInnerTexts();
    assert.equal(rows.length, 1 + tokens.levels + 2);
    assert.match(rows.at(-1), /^File/);
    const percent = rows.slice(1, -1).map((row) => Number(row.match(/(\d+) %$/)[1]));
    assert.ok(Math.abs(percent.reduce((a, b) => a + b) - 100) <= 3, percent.join());
    assert.match(await page.locator('.scale').getAttribute('aria-label'), /from dark, 0 bit, to light, [\d.]+ bit/);
    const colours = () => page.locator('canvas.sharp').first().evaluate((canvas) => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size);
    await page.waitForFunction(() => document.querySelector('canvas.sharp').getContext('2d').getImageData(0, 0, 1, 1).data[3] > 100);
    assert.ok((await colours()) > 30);
    const all = await hashCanvas(page, 'canvas.sharp >> nth=0');
    await choose('This level');
    await page.waitForTimeout(200);
    assert.notEqual(await hashCanvas(page, 'canvas.sharp >> nth=0'), all);
    await map().focus();
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowDown');
    assert.match(await inspector(), /takes [\d.]+ bit/);
    assert.deepEqual(await accessibility(page), []);
    await page.keyboard.press('Escape');
    await choose('Picture');
  });

  it('offers the nearest codes where the model has no prior, and puts one in place', async () => {
    const before = await picture();
    await page.mouse.click(...(await placeOf(10, 8)));
    await page.getByText('no prior').waitFor();
    await page.waitForFunction(() => document.querySelectorAll('.likely canvas').length === 6);
    const choices = page.locator('.likely button');
    assert.match(await choices.nth(3).innerText(), /\d/);
    const code = Number((await choices.nth(3).locator('> span').first().innerText()).replace(/\D/g, ''));
    assert.equal(await choices.first().getAttribute('aria-pressed'), 'true', 'the code that stands there');
    await choices.nth(3).click();
    const after = await pictureOtherThan(before);
    assert.match(await inspector(), new RegExp(`^Code ${code}\\n`));
    const cell = 8 * tokens.width + 10;
    assert.deepEqual((await now()).map((token, i) => (token === tokens.data[i] ? -1 : i)).filter((i) => i >= 0), [cell]);
    await page.waitForFunction(() => document.querySelectorAll('.likely button')[3]?.getAttribute('aria-pressed') === 'true');
    await button('Undo').click();
    assert.equal(await pictureOtherThan(after), before, 'the file’s own picture again');
    await button('Redo').click();
    assert.equal(await pictureOtherThan(before), after);
    await button('Reset').click();
    assert.deepEqual(await now(), tokens.data);
    assert.equal(await picture(), before);
    assert.deepEqual(await accessibility(page), []);
  });

  it('paints by dragging and by keys, and saves what came of it', async () => {
    const before = await picture();
    await choose('Paint');
    await page.locator('.atlas').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    const brush = Number((await page.getByText(/^The brush is code/).innerText()).match(/code (\d+)/)[1]);
    const [x, y] = await placeOf(20, 12), [right] = await placeOf(30, 12);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(right, y, { steps: 3 }); // the places between are painted, too
    await page.mouse.up();
    const dragged = await pictureOtherThan(before);
    const data = await now();
    for (let column = 20; column <= 30; column++) assert.equal(data[12 * tokens.width + column], brush, `column ${column}`);
    await map().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('b'); // the brush takes the code in focus
    const other = Number((await page.getByText(/^The brush is code/).innerText()).match(/code (\d+)/)[1]);
    do await page.keyboard.press('ArrowDown');
    while ((await inspector()).startsWith(`Code ${other}\n`));
    const [row, column] = (await inspector()).match(/row (\d+), column (\d+)/).slice(1).map(Number);
    await page.keyboard.press('Space');
    const painted = await now();
    assert.equal(painted[(row - 1) * tokens.width + column - 1], other);
    await page.waitForFunction(() => [...document.querySelectorAll('.hint')].some((p) => /strokes?; as a file/.test(p.innerText)));

    const png = await saved(page, () => button('Painted PNG').click());
    assert.match(png.name, /-painted\.png$/);
    const tess = await saved(page, () => button('Painted .tess').click());
    assert.match(tess.name, /-painted\.tess$/);
    const info = readInfo(tess.bytes);
    assert.deepEqual([png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20)], [info.width, info.height]);
    const codec = await createCodec({ threads: 1 });
    const held = [...(await codec.tokens(tess.bytes)).data];
    await codec.dispose();
    assert.deepEqual(held, painted);

    await page.keyboard.press('Control+z');
    assert.deepEqual(await now(), data);
    await page.keyboard.press('Control+Shift+z');
    assert.deepEqual(await now(), painted);
    await page.keyboard.press('Control+z');
    await page.keyboard.press('Control+z');
    assert.equal(await pictureOtherThan(dragged), before);
    assert.ok(await button('Undo').isDisabled());
    await choose('Look');
    assert.deepEqual(await accessibility(page), []);
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
