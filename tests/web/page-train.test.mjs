/* The Train tab of the built page in real Chromium: learn, pause, reload, go on, crash, use. */
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
    const studio = () => opened.asked.filter((url) => url.includes('tesserae-studio-')).length;
    assert.equal(studio(), 0, 'the trainer is fetched when training starts');
    await button('Train on digits').click();
    await reached(60);
    assert.equal(studio(), 1);
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

describe('a training worker that dies', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?preset=vqgan&steps=100&batch=16&codes=16&keep=10' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  const done = () => page.locator('.transport').getByText('Done').waitFor();
  const export_ = () => saved(page, () => page.getByRole('button', { name: 'Checkpoint', exact: true }).click());
  const stepIs = (least) => page.waitForFunction((n) => {
    const row = [...document.querySelectorAll('.figures > div')].find((div) => div.querySelector('dt').textContent === 'Step');
    return parseInt(row.querySelector('dd').textContent, 10) >= n;
  }, least);
  let whole;

  it('runs once without a fault, in two phases', async () => {
    await page.getByRole('button', { name: 'Train on digits' }).click();
    await done();
    const scores = page.locator('.chart', { has: page.getByRole('heading', { name: 'Discriminator’s scores' }) });
    assert.match(await scores.getByRole('img').getAttribute('aria-label'), /Pictures -?[\d.]+.*reconstructions -?[\d.]+/);
    whole = (await export_()).bytes;
    await page.getByRole('button', { name: 'Reset' }).click();
    await page.getByRole('button', { name: 'Train on digits' }).waitFor();
  });

  it('is replaced, and ends at the same bits', async () => {
    await page.getByRole('button', { name: 'Train on digits' }).click();
    for (const least of [1, 35, 80]) { // before the first checkpoint, in phase one, in phase two
      await stepIs(least);
      await kill(page);
      await page.getByText(/^The training worker stopped and was started again from step \d+\.$/).first().waitFor();
    }
    await done();
    const { bytes } = await export_();
    assert.ok(bytes.equals(whole), 'the checkpoints differ');
  });

  it('is replaced when it dies at rest, too', async () => {
    await kill(page);
    assert.ok((await export_()).bytes.equals(whole), 'the checkpoints differ');
  });
});

/** The trainer's worker: the youngest one that is not for pictures. */
const trainerOf = (page) => page.workers().filter((worker) => !worker.url().includes('picture')).at(-1);

/** Ends the trainer's worker by an error that nothing catches. */
const kill = (page) => trainerOf(page).evaluate(() => {
  setTimeout(() => { throw new Error('killed by the test'); });
});

/** Makes the trainer's worker spin for ever; it answers nothing from then on. */
const hang = (page) => trainerOf(page).evaluate(() => {
  setTimeout(() => { for (;;); });
});

describe('a training worker that hangs', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?steps=20000&batch=4&codes=16' });
    ({ page } = opened);
    await page.clock.install(); // the page's timers obey the test; those of workers do not
  });
  after(() => opened?.close());

  const step = () => page.evaluate(() => parseInt([...document.querySelectorAll('.figures > div')].find((div) => div.querySelector('dt').textContent === 'Step').querySelector('dd').textContent.replace(/,/g, ''), 10));
  const runsOn = async () => {
    const from = await step();
    while ((await step()) <= from) await page.clock.runFor(300);
  };

  it('is left alone while it works, and while the machine sleeps', async () => {
    await page.getByRole('button', { name: 'Train on digits' }).click();
    await page.locator('.looks canvas').nth(1).waitFor();
    await runsOn();
    await page.clock.fastForward('02:00:00'); // every timer that is due fires once, as after a sleep
    await runsOn();
    assert.equal(await page.getByText(/^The training worker stopped/).count(), 0);
  });

  it('is replaced once it is silent for long', async () => {
    await hang(page);
    await page.clock.runFor('05:10');
    await page.getByText(/^The training worker stopped and was started again from step \d+\.$/).waitFor();
    await runsOn();
    assert.deepEqual(opened.faults, []);
  });
});

describe('a config written by hand', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?steps=60&batch=4&codes=16' });
    ({ page } = opened);
    await page.getByText('Config as JSON').first().click();
  });
  after(() => opened?.close());

  const editor = () => page.getByRole('textbox', { name: 'Config as JSON' });
  const verdict = () => page.locator('.editor [role=status]');

  it('shows the config of the figures, and follows them', async () => {
    assert.equal(JSON.parse(await editor().inputValue()).quantizer.size, 16);
    await page.getByLabel('What to train').selectOption('fsq');
    assert.deepEqual(JSON.parse(await editor().inputValue()).quantizer, { type: 'fsq', bins: [8, 6, 5] });
    await page.getByLabel('What to train').selectOption('vqgan');
    assert.equal(JSON.parse(await editor().inputValue()).train.adversarial.freeze, true);
  });

  it('says what is wrong in the words of the parser and of the core', async () => {
    const good = await editor().inputValue();
    await editor().fill(good.replace('"format": 1,', '"format": 1'));
    await verdict().getByText(/^This is not JSON: /).waitFor();
    await editor().fill(good.replace('"weight": 0.1', '"weight": -1'));
    await verdict().getByText(/weight/).waitFor();
    await editor().fill(good.replace('"op": "silu"', '"op": "sigh"'));
    await verdict().getByText(/op must be one of/).waitFor();
    assert.deepEqual(await accessibility(page), []);
    await editor().fill(good.replace(/"steps": \d+/, '"steps": 12').replace(/"from": \d+/, '"from": 6').replace(/"quantize_from": \d+/, '"quantize_from": 2'));
    await verdict().getByText('This config is fine.').waitFor();
  });

  it('is trained, by steps and dials of its own', async () => {
    await page.locator('.transport').getByRole('button', { name: 'Start' }).click();
    await page.locator('.transport').getByText('Done').waitFor();
    await page.locator('.panel .figures').getByText('12 / 12').waitFor();
    await page.locator('.panel .figures').getByText('2, judged').waitFor();
    await page.getByText('Weights of the losses').click();
    await page.getByRole('slider', { name: 'Adversary' }).waitFor();
    await page.getByRole('img', { name: /^Codebook atlas\. \d+ of \d+ codes/ }).waitFor();
    assert.deepEqual(opened.faults, []);
  });
});

describe('a discriminator that has won', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?preset=vqgan&steps=20000&batch=2&codes=16' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  it('is told of, with a button for the cure', async () => {
    await page.getByText('Config as JSON').first().click();
    const editor = page.getByRole('textbox', { name: 'Config as JSON' });
    const config = JSON.parse(await editor.inputValue());
    Object.assign(config.train, { quantize_from: 2 });
    Object.assign(config.train.adversarial, { from: 10, weight: 0, lr: 0.002 }); // nothing that the decoder does answers it
    await editor.fill(JSON.stringify(config));
    await page.getByText('This config is fine.').waitFor();
    await page.locator('.transport').getByRole('button', { name: 'Start' }).click();
    await page.getByText(/^The discriminator has told all pictures apart for 200 steps/).waitFor();
    assert.deepEqual(await accessibility(page), []);
    await page.getByRole('button', { name: 'Halve the discriminator’s rate' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('[aria-valuetext="0.001"]')].length === 1);
    assert.deepEqual(opened.faults, []);
  });
});

describe('codes that lie idle', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?steps=20000&batch=4' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  /** A PNG of one colour. */
  const flat = async (colour) => Buffer.from(await page.evaluate(async (fill) => {
    const canvas = new OffscreenCanvas(32, 32);
    Object.assign(canvas.getContext('2d'), { fillStyle: fill }).fillRect(0, 0, 32, 32);
    return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
  }, colour));

  it('are told of, with a button that puts them to work', async () => {
    const colours = ['#c82828', '#145ac8']; // two pictures of one colour each find few codes
    await drop(page, await Promise.all(colours.map(async (colour, i) => ({ name: `${i}.png`, type: 'image/png', bytes: await flat(colour) }))));
    await page.getByText('2 pictures chosen.').waitFor({ state: 'attached' });
    await page.getByText('Config as JSON').first().click();
    const editor = page.getByRole('textbox', { name: 'Config as JSON' });
    const config = JSON.parse(await editor.inputValue());
    Object.assign(config.quantizer, { size: 1024, restart: 0 });
    Object.assign(config.train, { size: 16, quantize_from: 2 });
    await editor.fill(JSON.stringify(config));
    await page.getByText('This config is fine.').waitFor();
    await page.locator('.transport').getByRole('button', { name: 'Start' }).click();
    const told = page.getByText(/^Only \d+ of 1024 codes of level 0 are in use/);
    await told.waitFor();
    const few = Number((await told.innerText()).match(/\d+/)[0]);
    assert.ok(few < 103, `${few} codes`);
    await page.getByRole('button', { name: 'Restart dead codes' }).click();
    await page.waitForFunction((least) => {
      const row = [...document.querySelectorAll('.figures > div')].find((div) => div.querySelector('dt').textContent === 'Codes used');
      return parseInt(row.querySelector('dd').textContent.replace(/,/g, ''), 10) > least;
    }, 1.5 * few);
    assert.equal(await told.count(), 0, 'the warning has gone');
    assert.deepEqual(opened.faults, []);
  });
});

describe('pictures of the page and folders', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?steps=200&batch=2&codes=16' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  for (const [name, count] of [['avatars', '3,136 avatars'], ['emoji', '1,798 emoji']]) {
    it(`trains on ${name}`, async () => {
      await page.getByRole('button', { name: `Train on ${name}` }).click();
      await page.getByText(`${count}. Reset to change these.`).waitFor();
      await page.locator('.looks canvas').nth(3).waitFor();
      await page.getByRole('button', { name: 'Reset' }).click();
      await page.getByRole('button', { name: `Train on ${name}` }).waitFor();
    });
  }

  it('looks back over the reconstructions', async () => {
    await page.getByLabel('Steps', { exact: true }).fill('5000');
    await page.getByRole('button', { name: 'Train on digits' }).click();
    const scrubber = page.getByRole('slider', { name: 'Look back' });
    await scrubber.waitFor();
    await scrubber.focus();
    await page.keyboard.press('Home');
    const at = await scrubber.getAttribute('aria-valuetext');
    assert.match(at, /^step \d+$/);
    await page.getByRole('img', { name: `Picture 1, reconstructed at ${at}` }).waitFor();
    await page.keyboard.press('End');
    await page.getByRole('img', { name: 'Picture 1, reconstructed', exact: true }).waitFor();
    assert.match(await scrubber.getAttribute('aria-valuetext'), /^now/);
    await page.getByRole('button', { name: 'Reset' }).click();
  });

  it('takes all pictures of a folder, holds every fifth out and leaves other files', async () => {
    const photo = readFileSync(new URL('../../models/samples/coast.jpg', import.meta.url)).toString('base64');
    await page.evaluate(async (base64) => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('album', { create: true });
      const inner = await root.getDirectoryHandle('inner', { create: true });
      const write = async (folder, name, bytes) => {
        const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await stream.write(bytes);
        await stream.close();
      };
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      for (let i = 0; i < 6; i++) await write(i % 2 ? inner : root, `${i}.jpg`, bytes);
      await write(root, 'notes.txt', new Uint8Array(4));
      window.showDirectoryPicker = async () => root;
    }, photo);
    await page.getByLabel('Pictures', { exact: true }).selectOption('own');
    await page.getByRole('button', { name: 'Folder' }).click();
    await page.getByRole('button', { name: 'Train on 6 pictures' }).click();
    await page.getByText('5 of your pictures, 1 more held out. Reset to change these.').waitFor();
    await page.locator('.looks canvas').nth(1).waitFor();
    assert.equal(await page.locator('.looks li').count(), 1);
    assert.deepEqual(opened.faults, []);
  });
});

describe('fine-tuning', () => {
  let opened, page;
  before(async () => {
    opened = await openPage({ hash: '#train?preset=tuned&data=own&side=96&batch=1&steps=50&perceptual=0.2&lr=0.0001&codes=1024' });
    ({ page } = opened);
  });
  after(() => opened?.close());

  it('starts from the photo model and shows held-out pictures before and after', { timeout: 300_000 }, async () => {
    const photos = ['parakeet', 'coast', 'mural'].map((name) => readFileSync(new URL(`../../models/samples/${name}.jpg`, import.meta.url)));
    await drop(page, Array.from({ length: 5 }, (_, i) => ({ name: `${i}.jpg`, type: 'image/jpeg', bytes: photos[i % 3] })));
    const steps = page.getByLabel('Steps', { exact: true });
    assert.equal(await steps.inputValue(), '50');
    await page.getByRole('button', { name: 'Train on 5 pictures' }).click();
    await page.locator('[data-figure=gain]').waitFor({ timeout: 240_000 });
    assert.match(await page.locator('[data-figure=gain]').innerText(), /^[\d.]+ % (fewer|more) bits at the PSNR of before; LPIPS [\d.]+ % (lower|higher) at step 50, on 1 held-out picture\./);
    const cells = await page.locator('.tuned tbody td').allInnerTexts();
    const [bpp, psnr, lpips] = cells.slice(3).map((text) => text.split('\n').map(Number));
    assert.ok(bpp.every((x) => x > 0.15 && x <= 0.21), String(bpp));
    assert.ok(psnr.every((x) => x > 20 && x < 45) && psnr[0] !== psnr[1], String(psnr));
    assert.ok(lpips.every((x) => x > 0.01 && x < 0.8), String(lpips));
    assert.deepEqual(await accessibility(page), []);
    assert.deepEqual(opened.faults, []);
  });
});
