// Pages of bench/web in headless Chromium.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { cpuWatch, descendants } from './cpu.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

/** Serves the checkout on a free port, cross-origin isolated so that timers are fine-grained. */
async function serve() {
    const server = createServer(async (request, response) => {
        const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
        try {
            const body = await readFile(join(root, path));
            response.writeHead(200, {
                'content-type': types[extname(path)] ?? 'application/octet-stream',
                'cross-origin-opener-policy': 'same-origin',
                'cross-origin-embedder-policy': 'require-corp',
            }).end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

function findChromium() {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
        for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'chrome']) {
            if (existsSync(join(folder, name))) return join(folder, name);
        }
    }
    throw new Error('no Chromium on the PATH: install it, or set CHROMIUM to the program');
}

/**
 * Starts Chromium and a server of the checkout and hands open(page) to `use`; ends both whatever happens. open() gives the tab of
 * pages/<page>, once it has set window.bench.
 */
export async function withBrowser(use) {
    const server = await serve();
    watch = undefined; // of this browser's pages
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? findChromium(), args: flags });
    const open = async (page) => {
        const tab = await browser.newPage();
        tab.setDefaultTimeout(0);
        tab.on('pageerror', (error) => console.error(`page error: ${error.message}`));
        await tab.exposeFunction('pageCpuMs', pageCpuMs);
        await tab.goto(`${server.url}/bench/web/pages/${page}`);
        await tab.waitForFunction(() => 'bench' in window);
        return tab;
    };
    try {
        return await use(open, browser.version());
    } finally {
        await browser.close();
        server.close();
    }
}

/** Opens pages/<page> alone and hands its tab to `use`. */
export const withPage = (page, use) => withBrowser(async (open) => use(await open(page)));

/** CPU milliseconds of the pages' processes since the first call for this browser; all tabs must be open by then. */
export function pageCpuMs() {
    watch ??= cpuWatch(descendants('--type=renderer'));
    return watch().all;
}
let watch;
