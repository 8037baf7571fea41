/* The Generate tab of the built page in real Chromium, with a tiny model in the place of the one that ships. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessibility, drop, hashCanvas, openPage, saved } from './browser.mjs';
import { priorModel } from './prior.mjs';

const vocabulary = ['red hair', 'hat', 'glasses'];
const standIn = priorModel('prior_text', (config) => (config.prior.vocabulary = vocabulary));

describe('the generate tab', () => {
  let page, opened, asked = 0;
  before(async () => {
    opened = await openPage({ serviceWorkers: 'block' }); // its requests would not be seen here
    ({ page } = opened);
    await opened.context.route(/\/avatars[^/]*\.safetensors$/, (route) => {
      asked++;
      return route.fulfill({ body: Buffer.from(standIn), contentType: 'application/octet-stream' });
    });
    await opened.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  });
  after(() => opened?.close());

  const button = (name) => page.getByRole('button', { name, exact: true });
  const pictures = () => page.getByRole('button', { name: /^Picture \d+ of/ });
  /** Waits for the end of a run; what its pictures look like. */
  const made = async (count) => {
    await page.waitForSelector('.stage[aria-busy=false] .sheet');
    await page.waitForFunction((n) => document.querySelectorAll('.sheet canvas').length === n && !document.querySelector('.sheet .raw'), count);
    return Promise.all(Array.from({ length: count }, (_, i) => hashCanvas(page, `.sheet li:nth-child(${i + 1}) canvas`)));
  };
  let first;

  it('fetches its model when it is opened, not before, and makes pictures at once', async () => {
    assert.equal(asked, 0);
    await page.getByRole('tab', { name: 'Generate' }).click();
    first = await made(9);
    assert.ok(asked > 0);
    assert.ok(new Set(first).size > 5, 'they differ');
    assert.deepEqual(await accessibility(page), []);
  });

  it('takes prompt, words, number and seed; the same settings make the same pictures', async () => {
    await page.getByLabel('Prompt').fill('hat');
    await button('red hair').click();
    assert.equal(await page.getByLabel('Prompt').inputValue(), 'hat, red hair');
    assert.equal(await button('hat').getAttribute('aria-pressed'), 'true');
    await button('hat').click();
    assert.equal(await page.getByLabel('Prompt').inputValue(), 'red hair');
    await page.getByRole('radio', { name: '4', exact: true }).check();
    await page.getByLabel('Guidance').fill('6');
    await page.getByLabel('Prompt').press('Enter');
    const prompted = await made(4);
    assert.notDeepEqual(prompted, first.slice(0, 4));
    await button('Generate').click();
    assert.deepEqual(await made(4), prompted);
    await button('Other seed').click();
    assert.notDeepEqual(await made(4), prompted);
  });

  it('opens from a link as it was', async () => {
    const before = await made(4);
    await button('Copy link').click();
    await page.getByText('Copied:').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /#generate\?.*prompt=red\+hair/);
    await page.goto('about:blank');
    await page.goto(link);
    assert.deepEqual(await made(4), before);
    assert.equal(await page.getByLabel('Prompt').inputValue(), 'red hair');
  });

  it('goes from picture to picture by keys, and saves one', async () => {
    await pictures().first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Picture 4 of 4');
    assert.equal(await pictures().nth(3).getAttribute('aria-pressed'), 'true');
    await page.getByRole('heading', { name: 'Picture 4' }).waitFor();
    const { name, bytes } = await saved(page, () => button('PNG').click());
    assert.match(name, /^avatars-\d+\.png$/);
    assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [16, 16]);
    assert.deepEqual(await accessibility(page), []);
  });

  it('varies the chosen one', async () => {
    const before = await made(4);
    await button('Vary').press('Enter');
    assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^Picture \d of 4/, 'the focus is not lost');
    await page.getByText('Variations of this one').waitFor();
    const variations = await made(4);
    assert.equal(await hashCanvas(page, '.origin canvas'), before[3]);
    assert.ok(new Set(variations).size > 1);
    assert.ok(variations.every((hash) => !before.slice(0, 3).includes(hash)));
  });

  it('can be stopped', async () => {
    await page.getByLabel('Steps').fill('64');
    await page.getByRole('radio', { name: '16', exact: true }).check();
    await button('Generate').click();
    await button('Cancel').click({ timeout: 5000 }).catch(() => {}); // it may be through by then
    await page.waitForSelector('.stage[aria-busy=false]');
    await button('Generate').click();
    await made(16);
  });

  it('takes another model with a prior that is dropped here', async () => {
    await drop(page, [{ name: 'classes.safetensors', bytes: priorModel('prior_class') }]);
    await page.getByRole('group', { name: 'Class' }).waitFor();
    await made(16);
    await button('Copy link').click();
    await page.getByText('but not the model').waitFor();
    assert.equal(await page.getByLabel('Prompt').count(), 0);
    assert.equal(await page.getByLabel('Model').locator('option:checked').innerText(), 'classes.safetensors');
    await page.getByLabel('Model').selectOption('avatars');
    await page.getByLabel('Prompt').waitFor();
    await made(16);
  });

  it('names the words that the model does not know', async () => {
    await page.getByLabel('Prompt').fill('red hat with wings');
    await page.getByText('The model was not trained on: with, wings.').waitFor();
    assert.deepEqual(await accessibility(page), []);
    await page.getByLabel('Prompt').fill('red hat');
    await page.getByText('not trained on').waitFor({ state: 'detached' }).catch(() => {});
    assert.equal(await page.getByText('not trained on').count(), 0);
  });

  it('blends two', async () => {
    const before = await made(16);
    await pictures().nth(1).click();
    await page.getByLabel('Picture 2 with').selectOption('4');
    await page.waitForFunction(() => document.querySelectorAll('.blend canvas').length === 9);
    const row = await Promise.all(Array.from({ length: 9 }, (_, i) => hashCanvas(page, `.blend li:nth-child(${i + 1}) canvas`)));
    assert.deepEqual([row[0], row[8]], [before[1], before[4]], 'from the one to the other');
    assert.ok(new Set(row).size > 3);
    await page.getByLabel(/^Share of picture/).fill('2');
    assert.equal(await hashCanvas(page, 'canvas.blended'), row[2]);
    assert.equal(await page.locator('canvas.blended').getAttribute('aria-label'), 'The blend: 25 % of picture 5');
    assert.deepEqual(await accessibility(page), []);
    const { name } = await saved(page, () => button('Blend PNG').click());
    assert.match(name, /^avatars-\d+-\d+-2\.png$/);
    await page.getByLabel(/^Share of picture/).fill('4');
    await button('Settle blend').click();
    await page.getByText('The prior has settled the blend.').waitFor({ state: 'attached' });
    assert.notEqual(await hashCanvas(page, 'canvas.blended'), row[4]);
    assert.equal(await hashCanvas(page, '.blend li:nth-child(3) canvas'), row[2], 'the others stay');
    await pictures().nth(1).click();
    assert.equal(await page.locator('.blend').count(), 0);
  });

  it('opens one in the other tabs, with the model that made it and the very tokens', async () => {
    const looks = (await made(16))[2];
    await pictures().nth(2).click();
    await button('Tokens').click();
    await page.getByRole('application', { name: /^Tokens of level 1/ }).waitFor();
    assert.equal(await hashCanvas(page, 'canvas.decoded'), looks, 'the same picture, not one encoded anew');
    await page.getByRole('application', { name: /^Tokens of level 1/ }).focus();
    await page.keyboard.press('ArrowDown');
    await page.getByText('Likely here').waitFor();
    assert.equal(await page.locator('.likely button').count(), 6);
    assert.match(await page.locator('.likely button').first().innerText(), /probability\s*[\d.]+ %/);
    await page.keyboard.press('Escape');
    assert.match(await page.locator('.panel .figures').first().innerText(), /32[^]*4×4/);
    await page.getByRole('tab', { name: 'Generate' }).click();
    assert.equal(await pictures().nth(2).getAttribute('aria-pressed'), 'true', 'the sheet is still there');
    await button('Compress').click();
    await page.waitForSelector('.stage[aria-busy=false] .compare');
    assert.match(await page.locator('.file-name').innerText(), /^avatars-\d+\.png/);
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });
});

describe('the digits of the generate tab', () => {
  let page, opened;
  before(async () => {
    opened = await openPage({ hash: '#generate?prior=digits&label=7&pictures=4&passes=6', serviceWorkers: 'block' });
    ({ page } = opened);
    await opened.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  });
  after(() => opened?.close());

  const button = (name) => page.getByRole('button', { name, exact: true });
  const classOf = (name) => page.getByRole('group', { name: 'Class' }).getByRole('radio', { name, exact: true });
  const made = async () => {
    await page.waitForSelector('.stage[aria-busy=false] .sheet');
    await page.waitForFunction(() => document.querySelectorAll('.sheet canvas').length === 4 && !document.querySelector('.sheet .raw'));
    return Promise.all([1, 2, 3, 4].map((i) => hashCanvas(page, `.sheet li:nth-child(${i}) canvas`)));
  };

  it('has a button for each class, and says what it was trained on', async () => {
    await made();
    assert.ok(!opened.asked.some((path) => /avatars/.test(path)), 'another model is not fetched');
    assert.equal(await page.getByRole('group', { name: 'Class' }).getByRole('radio').count(), 11);
    assert.ok(await classOf('7').isChecked());
    assert.equal(await page.getByLabel('Prompt').count(), 0);
    await page.getByText(/^Trained on MNIST.*CC BY-SA/).waitFor();
    assert.deepEqual(await accessibility(page), []);
  });

  it('makes the class that is asked for; a link brings model and class back', async () => {
    const sevens = await made();
    await classOf('3').check({ force: true });
    await button('Generate').click();
    const threes = await made();
    assert.ok(threes.every((hash) => !sevens.includes(hash)));
    await button('Copy link').click();
    await page.getByText('Copied: the link shows the same').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /prior=digits.*label=3/);
    await page.goto('about:blank');
    await page.goto(link);
    assert.deepEqual(await made(), threes);
    await page.evaluate(() => (location.hash = location.hash.replace('label=3', 'label=7')));
    await page.waitForFunction(() => document.querySelector('.classes input:checked').value === '7');
    await button('Generate').click();
    assert.deepEqual(await made(), sevens);
    assert.deepEqual(opened.faults, []);
  });
});

describe('the emoji of the generate tab', () => {
  let page, opened;
  before(async () => {
    opened = await openPage({ hash: '#generate?prior=emoji&prompt=red+heart&pictures=4&passes=6', serviceWorkers: 'block' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  it('gives a picture to a word, suggests some words and knows more', async () => {
    await page.waitForSelector('.stage[aria-busy=false] .sheet');
    await page.waitForFunction(() => document.querySelectorAll('.sheet canvas').length === 4 && !document.querySelector('.sheet .raw'));
    const [r, g] = await page.evaluate(() => {
      const canvas = document.querySelector('.sheet canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return [0, 1].map((channel) => data.filter((_, i) => i % 4 === channel).reduce((a, v) => a + v, 0));
    });
    assert.ok(r > 1.2 * g, `a heart is red: ${r}, ${g}`);
    assert.equal(await page.getByRole('group', { name: 'Words that the model knows' }).getByRole('button').count(), 72);
    await page.getByText(/^Trained on Twemoji \(CC BY 4.0\), Noto Emoji.*Fluent Emoji/).waitFor();
    await page.getByLabel('Prompt').fill('watermelon zeppelin'); // the one is known, though not suggested
    await page.getByText('The model was not trained on: zeppelin.').waitFor();
    assert.deepEqual(await accessibility(page), []);
    assert.deepEqual(opened.faults, []);
  });
});

describe('the generate tab without its model', () => {
  it('says so, and tries again', async () => {
    const opened = await openPage({ hash: '#generate', serviceWorkers: 'block' });
    try {
      const { page, context } = opened;
      await context.route(/\/avatars[^/]*\.safetensors$/, (route) => route.fulfill({ status: 404, body: 'not here' }));
      await page.reload();
      await page.getByText(/avatars.*answered 404/).first().waitFor();
      await context.route(/\/avatars[^/]*\.safetensors$/, (route) => route.fulfill({ body: Buffer.from(standIn) }));
      await page.getByRole('button', { name: 'Make pictures' }).click();
      await page.waitForSelector('.stage[aria-busy=false] .sheet canvas');
      assert.deepEqual(opened.faults, []);
    } finally {
      await opened.close();
    }
  });
});
