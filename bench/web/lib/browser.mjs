// Opens a page of bench/web in headless Chromium and calls its window.bench(options).

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

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

/** CPU milliseconds so far of the page processes this process started (Linux; elsewhere 0): what other work disturbs least. */
export function pageCpuMs() {
    let processes;
    try {
        processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    } catch {
        return 0;
    }
    const stat = new Map();
    for (const pid of processes) {
        try {
            const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
            const field = text.slice(text.lastIndexOf(')') + 2).split(' ');
            stat.set(Number(pid), { parent: Number(field[1]), ms: (Number(field[11]) + Number(field[12])) * 10 });
        } catch { /* it has ended */ }
    }
    let sum = 0;
    for (const [pid, { ms }] of stat) {
        let ancestor = pid;
        while (stat.has(ancestor) && ancestor !== process.pid) ancestor = stat.get(ancestor).parent;
        if (ancestor !== process.pid) continue;
        try {
            if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer')) sum += ms;
        } catch { /* it has ended */ }
    }
    return sum;
}

/** Opens pages/<page> and hands its tab to `use`; ends the browser and the server whatever happens. */
export async function withPage(page, use) {
    const server = await serve();
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? findChromium(), args: flags });
    try {
        const tab = await browser.newPage();
        tab.setDefaultTimeout(0);
        tab.on('pageerror', (error) => console.error(`page error: ${error.message}`));
        await tab.exposeFunction('pageCpuMs', pageCpuMs);
        await tab.goto(`${server.url}/bench/web/pages/${page}`);
        await tab.waitForFunction(() => typeof window.bench === 'function');
        return await use(tab);
    } finally {
        await browser.close();
        server.close();
    }
}
