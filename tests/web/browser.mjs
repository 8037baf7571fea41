/* What the page tests stand on: a static server for a folder under any path, and a fresh headless Chromium. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const types = {
  '.html': 'text/html; charset=utf-8', '.txt': 'text/plain; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.json': 'application/json',
  '.webmanifest': 'application/manifest+json', '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg', '.webp': 'image/webp',
};

/** What makes a page cross-origin isolated, so that memory may be shared between workers. */
export const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/**
 * Serves a folder on a free port of this machine, below `prefix`. A plain server by default: no isolation headers.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} url ends in a slash
 */
export async function serve(folder, prefix = '/', headers = {}) {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    const file = path.startsWith(prefix) && join(folder, normalize(`/${path.slice(prefix.length)}`), path.endsWith('/') ? 'index.html' : '');
    const found = file && (await stat(file).catch(() => null));
    if (!found?.isFile()) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not here');
      return;
    }
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-length': found.size, 'cache-control': 'no-cache', ...headers });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}${prefix}`, close };
}

/** The system's Chromium: $CHROMIUM, or the first of its usual names on the PATH. */
export function chromiumPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
  const found = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
  if (!found) throw new Error('No Chromium was found: install the package "chromium" or name one in CHROMIUM.');
  return found;
}

/**
 * A Chromium with a profile of its own, gone after close().
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function launch(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'tesserae-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(), headless: true, acceptDownloads: true, viewport: { width: 1280, height: 800 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...options,
  });
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context, close };
}

/**
 * The built page in a fresh Chromium, served from a folder below the server's root, as on a project site.
 * @param {{ hash?: string, headers?: object } & import('playwright-core').BrowserContextOptions} [options]
 * @returns {Promise<{ page: import('playwright-core').Page, context: object, server: object, faults: string[], foreign: string[], asked: string[], close: () => Promise<void> }>}
 *   faults: uncaught errors; foreign: requests to anywhere but the server; asked: what the page and its workers, but not its service worker, asked for
 */
export async function openPage({ hash = '', headers, ...options } = {}) {
  const folder = process.env.TESSERAE_PAGE ?? join(root, 'dist/page'); // another build of the page, if named
  if (!existsSync(join(folder, 'index.html'))) throw new Error(`${folder} holds no page: run "npm run build".`);
  const server = await serve(folder, '/some/folder/', headers);
  const { context, close } = await launch(options);
  const [page] = context.pages();
  page.setDefaultTimeout(60_000); // generous: nothing here is about speed;
  const faults = [], foreign = [], asked = [];
  page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
  context.on('request', (request) => /^(blob|data):/.test(request.url()) || request.url().startsWith(server.url) || foreign.push(request.url()));
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(server.url + hash);
  await page.waitForSelector('[role=tabpanel]');
  return { page, context, server, faults, foreign, asked, close: async () => { await close(); await server.close(); } };
}

/** Opens the n-th sample photo and waits for its figures; returns them. */
export async function openSample(page, n = 0) {
  await page.locator('.samples button').nth(n).click();
  return encoded(page);
}

/** Waits until nothing runs and figures stand there; { bytes, bpp, psnr, msSsim, encode, decode, coder, tokens }. */
export async function encoded(page) {
  await page.waitForSelector('.stage[aria-busy=false] .compare');
  await page.waitForFunction(() => document.querySelector('[data-figure=bytes]')?.title);
  return page.evaluate(() => {
    const texts = Object.fromEntries([...document.querySelectorAll('.panel .figures > div')].map((row) => [row.querySelector('dt').textContent, row.querySelector('dd').textContent]));
    return {
      bytes: parseInt(document.querySelector('[data-figure=bytes]').title, 10), bpp: parseFloat(texts.bpp), psnr: parseFloat(texts.PSNR),
      msSsim: parseFloat(texts['MS-SSIM']), encode: texts.Encode, decode: texts.Decode, coder: texts.Coder, tokens: texts.Tokens,
    };
  });
}

/** SHA-256 of a canvas's pixels, in hex. */
export function hashCanvas(page, selector) {
  return page.locator(selector).evaluate(async (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const digest = await crypto.subtle.digest('SHA-256', data);
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  });
}

/** Drops files onto the page: [{ name, bytes, type? }]. */
export async function drop(page, files) {
  const plain = files.map(({ name, bytes, type = '' }) => ({ name, type, base64: Buffer.from(bytes).toString('base64') }));
  await page.evaluate((list) => {
    const transfer = new DataTransfer();
    for (const { name, type, base64 } of list) transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
    for (const kind of ['dragenter', 'dragover', 'drop']) document.querySelector('.app').dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, plain);
}

/** What a click saves: { name, bytes }. */
export async function saved(page, click) {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

/** Serious and critical accessibility findings of the page as it stands, each as one line. */
export async function accessibility(page) {
  await page.evaluate(await readFile(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ target }) => target.join(' ')).join(', ')})`);
}
