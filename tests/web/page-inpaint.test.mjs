/* The Inpaint tab of the built page in real Chromium, with a tiny model that fills pictures of any size. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessibility, drop, encoded, hashCanvas, openPage, saved } from './browser.mjs';
import { priorModel } from './prior.mjs';

const PICTURE = '.surface .layer canvas', BEFORE = '.layer.above canvas', SAMPLE = '.layer:not(.above) canvas';

describe('the inpaint tab', () => {
  let page, opened, client, models = 0;
  before(async () => {
    opened = await openPage({ hash: '#inpaint?samples=2&brush=5&heat=2', serviceWorkers: 'block', hasTouch: true });
    ({ page } = opened);
    client = await opened.context.newCDPSession(page);
    page.on('request', (request) => (models += /safetensors/.test(request.url())));
    await opened.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  });
  after(() => opened?.close());

  const button = (name) => page.getByRole('button', { name, exact: true });
  const tool = (name) => page.getByRole('radio', { name, exact: true });
  const surface = () => page.getByRole('application', { name: /^Mask over/ });
  const share = async () => parseFloat((await page.getByRole('heading', { name: /^Mask: / }).textContent()).slice(6));
  const shareIs = (test) => page.waitForFunction(`((x) => ${test})(parseFloat([...document.querySelectorAll('h2')].find((h) => h.textContent.startsWith('Mask: ')).textContent.slice(6)))`);
  const said = (text) => page.locator('[role=status]').first().filter({ hasText: text }).waitFor({ state: 'attached' });
  /** Where a point of the picture, in parts of its sides, lies on the page. */
  const at = async (x, y) => {
    const box = await page.locator(PICTURE).boundingBox();
    return [box.x + x * box.width, box.y + y * box.height];
  };
  const drag = async (...points) => {
    await page.mouse.move(...(await at(...points[0])));
    await page.mouse.down();
    for (const point of points.slice(1)) await page.mouse.move(...(await at(...point)), { steps: 4 });
    await page.mouse.up();
  };
  /** Waits until the mask is painted, or is not, at a point of the picture. */
  const painted = async (x, y, on = true) => {
    await page.waitForFunction(([px, py, wanted]) => {
      const canvas = document.querySelector('.overlay'), box = canvas.getBoundingClientRect();
      return wanted === canvas.getContext('2d').getImageData(((px - box.x) * canvas.width) / box.width, ((py - box.y) * canvas.height) / box.height, 1, 1).data[3] > 0;
    }, [...(await at(x, y)), on]);
  };
  const fillEnds = async (count) => {
    await page.waitForFunction((n) => document.querySelectorAll('.fills button').length === n && document.querySelector('.stage[aria-busy=false] .divider'), count);
  };
  /** How many pixels of two canvases differ within a box (in parts of their sides), and beyond a margin around it. */
  const differences = (...args) => page.evaluate(([one, other, [left, top, right, bottom], margin]) => {
    const [a, b] = [one, other].map((selector) => document.querySelector(selector)).map((canvas) => new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer));
    const { width, height } = document.querySelector(one);
    let inside = 0, outside = 0;
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      const x = ((i % width) + 0.5) / width, y = (Math.floor(i / width) + 0.5) / height;
      if (x > left && x < right && y > top && y < bottom) inside++;
      if (x < left - margin || x > right + margin || y < top - margin || y > bottom + margin) outside++;
    }
    return { inside, outside };
  }, args);
  const pixel = (x, y) => page.locator(PICTURE).evaluate((canvas, [px, py]) => [...canvas.getContext('2d').getImageData(px, py, 1, 1).data], [x, y]);

  it('offers samples, and asks for no model before it fills', async () => {
    assert.deepEqual(await accessibility(page), []);
    await page.locator('.samples button').nth(2).click();
    await surface().waitFor();
    assert.match(await page.locator('.file-name').innerText(), /^parakeet\.jpg\s*768 × 512$/);
    assert.ok(await button('Fill the mask').isDisabled());
    assert.equal(await share(), 0);
    assert.equal(models, 0);
    assert.deepEqual(await accessibility(page), []);
  });

  it('masks by brush and rectangle, and takes back by eraser, Alt, undo and clearing', async () => {
    await drag([0.3, 0.5], [0.6, 0.5]);
    const stroke = await share();
    const radius = 0.025 * 768;
    assert.ok(Math.abs(stroke - (100 * (2 * radius * 0.3 * 768 + Math.PI * radius ** 2)) / (768 * 512)) < 0.2, `${stroke} %`);
    await painted(0.45, 0.5);
    await painted(0.45, 0.7, false);
    await tool('Eraser').check();
    await drag([0.45, 0.4], [0.45, 0.6]);
    assert.ok((await share()) < stroke);
    await painted(0.45, 0.5, false);
    await page.keyboard.press('Control+z');
    assert.equal(await share(), stroke);
    await painted(0.45, 0.5);
    await button('Clear').click();
    await tool('Rectangle').check();
    await drag([0.8, 0.9], [0.3, 0.4]); // from any corner to any other
    assert.ok(Math.abs((await share()) - 25) <= 1);
    await page.keyboard.down('Alt');
    await drag([0.3, 0.4], [0.8, 0.65]);
    await page.keyboard.up('Alt');
    assert.ok(Math.abs((await share()) - 12.5) <= 1);
    await button('Invert').click();
    assert.ok(Math.abs((await share()) - 87.5) <= 1);
    await said(/^Inverted: 8\d percent/);
  });

  it('undoes and redoes all of it', async () => {
    for (const test of ['x < 14', 'x > 20', 'x === 0', 'x > 1', 'x === 0']) {
      await page.keyboard.press('Control+z');
      await shareIs(test);
    }
    assert.ok(await button('Undo').isDisabled());
    for (let i = 0; i < 5; i++) await page.keyboard.press('Control+Shift+z');
    await shareIs('x > 80');
    assert.ok(await button('Redo').isDisabled());
    await button('Clear').click();
  });

  it('has keys for the tools, but not where numbers are typed', async () => {
    await surface().focus();
    await page.keyboard.press('e');
    assert.ok(await tool('Eraser').isChecked());
    await said('Eraser.');
    await page.keyboard.press('b');
    assert.ok(await tool('Brush').isChecked());
    const size = async () => parseInt(await page.locator('.field').filter({ hasText: 'Brush size' }).locator('output').textContent(), 10);
    const first = await size();
    await page.keyboard.press(']');
    assert.ok((await size()) > first);
    await page.keyboard.press('[');
    assert.ok(Math.abs((await size()) - first) <= 1);
    await page.getByLabel('Seed').focus();
    await page.keyboard.press('r');
    assert.ok(await tool('Brush').isChecked());
  });

  it('takes a rectangle by keys alone', async () => {
    await surface().focus();
    await page.keyboard.press('ArrowLeft'); // the marker comes, in the middle
    await page.keyboard.press('Enter');
    for (let i = 0; i < 3; i++) await page.keyboard.press('Shift+ArrowRight');
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowDown');
    await said('192 by 40 pixels.');
    assert.equal(await share(), 0);
    await page.keyboard.press('Enter');
    assert.ok(Math.abs((await share()) - (100 * 192 * 40) / (768 * 512)) < 0.06);
    await said(/^192 by 40 pixels masked: 2\.0 percent/);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Shift+ArrowLeft');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Delete');
    await said(/^64 by 8 pixels taken out of the mask/);
    assert.ok((await share()) < 2);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.surface .cell').count(), 0);
    await button('Clear').click();
  });

  it('is drawn on by a finger and a pen, and not by two fingers, which zoom', async () => {
    const touch = (type, points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    await touch('touchStart', [await at(0.3, 0.5)]);
    await touch('touchMove', [await at(0.5, 0.5)]);
    await touch('touchEnd', []);
    await shareIs('x > 1');
    const stroke = await share();
    const scale = () => page.locator('.zoom-bar output').textContent();
    const fit = await scale();
    await touch('touchStart', [await at(0.4, 0.8)]);
    await touch('touchMove', [await at(0.42, 0.8)]);
    await touch('touchStart', [await at(0.42, 0.8), await at(0.6, 0.8)]);
    for (const part of [0.65, 0.7, 0.75]) await touch('touchMove', [await at(0.4, 0.8), await at(part, 0.8)]);
    await touch('touchEnd', []);
    await page.waitForFunction((former) => document.querySelector('.zoom-bar output').textContent !== former, fit);
    assert.equal(await share(), stroke, 'what the first finger had begun is gone');
    await button('Fit').click();
    await button('Clear').click();
    const pen = async (type, [x, y]) => client.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons: 1, clickCount: 1, pointerType: 'pen' });
    await pen('mousePressed', await at(0.2, 0.3));
    await pen('mouseMoved', await at(0.2, 0.7));
    await pen('mouseReleased', await at(0.2, 0.7));
    await shareIs('x > 1');
    await button('Clear').click();
  });

  it('moves the picture, not the brush, while the space bar is held', async () => {
    await page.evaluate(() => new Promise((after) => setTimeout(after, 500))); // so long after a touch d3-zoom takes a mouse for its echo
    await surface().focus();
    await page.keyboard.press('+');
    const place = () => page.locator('.surface').evaluate((box) => box.style.getPropertyValue('--place'));
    const former = await place();
    await page.keyboard.down(' ');
    await drag([0.5, 0.5], [0.4, 0.45]);
    await page.keyboard.up(' ');
    assert.notEqual(await place(), former);
    assert.equal(await share(), 0);
    await drag([0.5, 0.5], [0.5, 0.6]);
    assert.ok((await share()) > 0);
    await painted(0.5, 0.55); // where it was drawn, zoomed or not
    await button('Fit').click();
    await painted(0.5, 0.55);
  });

  let original, first;
  it('fills with a model that is dropped here, and leaves all other pixels as they are', async () => {
    await button('Clear').click();
    await drop(page, [{ name: 'filler.safetensors', bytes: priorModel('prior_conv') }]);
    await page.waitForFunction(() => document.querySelector('.panel select').selectedOptions[0].textContent === 'filler.safetensors');
    await tool('Rectangle').check();
    await drag([0.25, 0.25], [0.5, 0.5]);
    original = await hashCanvas(page, PICTURE);
    await button('Fill the mask').click();
    await fillEnds(2);
    await said('2 samples are made.');
    assert.equal(await button('Sample 1 of 2').getAttribute('aria-pressed'), 'true');
    assert.equal(await hashCanvas(page, BEFORE), original);
    const { inside, outside } = await differences(BEFORE, SAMPLE, [0.25, 0.25, 0.5, 0.5], 0.01); // the pointer hits whole pixels of the screen
    assert.ok(inside > 10000, `${inside} pixels are new`);
    assert.equal(outside, 0);
    assert.deepEqual(await accessibility(page), []);
    first = [await hashCanvas(page, SAMPLE)];
    await button('Sample 1 of 2').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Sample 2 of 2');
    await page.getByText('Sample 2', { exact: true }).waitFor();
    first.push(await hashCanvas(page, SAMPLE));
    assert.notEqual(first[0], first[1]);
  });

  it('makes the same samples of the same seed, others of another', async () => {
    /** Both samples of another run; the first is on view at its end, so the second is before. */
    const again = async (click) => {
      await click();
      await page.waitForFunction(() => document.querySelector('.fills button').getAttribute('aria-pressed') === 'true');
      await fillEnds(2);
      const one = await hashCanvas(page, SAMPLE);
      await button('Sample 2 of 2').click();
      return [one, await hashCanvas(page, SAMPLE)];
    };
    assert.deepEqual(await again(() => button('Fill the mask').click()), first);
    await page.getByLabel('Seed').fill('2');
    await page.getByLabel('Seed').press('Enter');
    const second = await again(() => button('Fill the mask').click());
    assert.notEqual(second[1], first[1]);
    const third = await again(() => button('Other seed').click());
    assert.notEqual(await page.getByLabel('Seed').inputValue(), '2');
    assert.ok(![first[1], second[1]].includes(third[1]));
  });

  it('goes on with a sample that is kept, and back', async () => {
    const kept = await hashCanvas(page, SAMPLE);
    await button('Keep this one').press('Enter');
    await surface().waitFor();
    await page.waitForFunction(() => document.activeElement.classList.contains('surface'));
    assert.equal(await hashCanvas(page, PICTURE), kept);
    assert.equal(await share(), 0);
    assert.equal(await page.locator('.fills').count(), 0);
    const { name, bytes } = await saved(page, () => button('PNG').click());
    assert.equal(name, 'parakeet.png');
    assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [768, 512]);
    await page.keyboard.press('Control+z');
    await said('Undone: kept sample.');
    assert.equal(await hashCanvas(page, PICTURE), original);
    assert.ok((await share()) > 5);
    assert.equal(await page.locator('.fills button').count(), 2, 'the samples are there to choose again');
  });

  it('extends the canvas, and masks what is new', async () => {
    await button('Clear').click();
    const points = [[0, 0], [0, 511], [767, 511], [300, 200]];
    const former = await Promise.all(points.map(([x, y]) => pixel(x, y)));
    await page.getByLabel('Left', { exact: true }).fill('64');
    await page.getByLabel('Bottom', { exact: true }).fill('32');
    await page.getByLabel('Bottom', { exact: true }).press('Tab');
    await button('Extend by these pixels').click();
    await page.locator('.file-name small').getByText('832 × 544').waitFor();
    assert.ok(Math.abs((await share()) - 100 * (1 - (768 * 512) / (832 * 544))) < 1);
    await page.waitForFunction((selector) => document.querySelector(selector).width === 832, PICTURE);
    assert.deepEqual(await Promise.all(points.map(([x, y]) => pixel(x + 64, y))), former);
    assert.deepEqual(await pixel(0, 543), former[1], 'the edge goes on');
    await button('Fill the mask').click();
    await fillEnds(2);
    await page.keyboard.press('Control+z');
    await page.locator('.file-name small').getByText('768 × 512').waitFor();
  });

  it('can be stopped', async () => {
    await surface().focus();
    await page.keyboard.press('r');
    await drag([0.1, 0.1], [0.5, 0.5]);
    await page.getByLabel('Samples', { exact: true }).fill('8');
    await button('Fill the mask').click();
    await button('Cancel').click({ timeout: 5000 }).catch(() => {}); // it may be through by then
    await page.waitForSelector('.stage[aria-busy=false]');
    await page.getByLabel('Samples', { exact: true }).fill('1');
    await button('Fill the mask').click();
    await fillEnds(1);
  });

  it('opens what is on view in the Compress tab', async () => {
    await button('Compress').click();
    await encoded(page);
    assert.match(await page.locator('.file-name').innerText(), /^parakeet\.png/);
    await page.getByRole('tab', { name: 'Inpaint' }).click();
    assert.equal(await page.locator('.fills button').count(), 1, 'all is as it was');
  });

  it('has its settings in a link', async () => {
    await page.getByLabel('Temperature').fill('0.8');
    await button('Copy link').click();
    await page.getByText('Copied:').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /#inpaint\?.*left=64.*bottom=32.*samples=1.*heat=0\.8/);
    await page.goto('about:blank');
    await page.goto(link);
    assert.equal(await page.getByLabel('Temperature').inputValue(), '0.8');
    assert.equal(await page.getByLabel('Samples', { exact: true }).inputValue(), '1');
  });

  it('takes the picture that is open in the Compress tab, and one that is dropped, whose transparent part it masks', async () => {
    await page.getByRole('tab', { name: 'Compress' }).click();
    await page.locator('.samples button').first().click();
    await page.waitForSelector('.compare');
    await page.getByRole('tab', { name: 'Inpaint' }).click();
    await page.locator('.file-name').getByText('coast.jpg').waitFor();
    const png = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(40, 30);
      canvas.getContext('2d').fillRect(0, 0, 10, 30); // the rest is transparent
      const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    });
    await drop(page, [{ name: 'dropped.png', bytes: Buffer.from(png, 'base64'), type: 'image/png' }]);
    await page.locator('.file-name').getByText('dropped.png').waitFor();
    assert.equal(await page.getByRole('tab', { name: 'Inpaint' }).getAttribute('aria-selected'), 'true');
    assert.equal(await share(), 75);
    assert.deepEqual(await pixel(35, 5), [0, 0, 0, 255]);
    await drop(page, [{ name: 'broken.jpg', bytes: Buffer.from('no picture at all'), type: 'image/jpeg' }]);
    await page.getByRole('alert').filter({ hasText: 'broken.jpg is not a picture' }).waitFor();
    assert.equal(await page.locator('.file-name').getByText('dropped.png').count(), 1);
    assert.deepEqual(opened.faults, []);
    assert.deepEqual(opened.foreign, []);
  });
});

describe('the inpaint tab and the models that ship', () => {
  let page, opened;
  before(async () => {
    opened = await openPage({ hash: '#generate', serviceWorkers: 'block' });
    ({ page } = opened);
    const route = (name, answer) => opened.context.route(name, (request) => request.fulfill(answer));
    await route(/\/avatars[^/]*\.safetensors$/, { body: Buffer.from(priorModel('prior_text')), contentType: 'application/octet-stream' });
    await route(/\/photo\.prior[^/]*\.safetensors$/, { status: 404, body: 'not here' });
    await page.reload();
  });
  after(() => opened?.close());

  const fill = async () => {
    await page.getByRole('radio', { name: 'Rectangle' }).check();
    const box = await page.locator(PICTURE).boundingBox();
    await page.mouse.move(box.x + 0.3 * box.width, box.y + 0.3 * box.height);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.6 * box.width, box.y + 0.6 * box.height, { steps: 3 });
    await page.mouse.up();
    await page.getByRole('button', { name: 'Fill the mask' }).click();
  };

  it('changes a part of a generated picture, with the model that made it', async () => {
    await page.waitForSelector('.stage[aria-busy=false] .sheet canvas');
    await page.getByRole('button', { name: 'Picture 2 of 9', exact: true }).click();
    await page.getByRole('button', { name: 'Inpaint', exact: true }).click();
    await page.locator('.file-name small').getByText('16 × 16').waitFor();
    assert.match(await page.getByLabel('Model').locator('option:checked').innerText(), /^Avatars/);
    await fill();
    await page.waitForFunction(() => document.querySelectorAll('.fills button').length === 4);
    const [before, sample] = [await hashCanvas(page, BEFORE), await hashCanvas(page, SAMPLE)];
    assert.notEqual(before, sample);
    await page.waitForFunction(() => location.hash.includes('filler=avatars'));
  });

  it('fills with the photo model without its prior, and says so where that is needed', async () => {
    await page.getByLabel('Model').selectOption('photo');
    await page.getByRole('button', { name: 'Close the picture' }).click();
    await page.locator('.samples button').first().click();
    await page.locator('.surface').waitFor();
    await fill();
    await page.waitForFunction(() => document.querySelectorAll('.fills button').length === 4);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Invert' }).click(); // all is masked: there is nothing to copy from
    await page.getByRole('button', { name: 'Fill the mask' }).click();
    await page.getByRole('alert').filter({ hasText: /^Nothing was filled: .*prior/s }).waitFor();
    await page.waitForSelector('.stage[aria-busy=false] .surface');
    assert.deepEqual(opened.faults, []);
  });
});
