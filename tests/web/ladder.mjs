// Servers for the loader's tests: the package under every kind of bad luck.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { root } from './browser.mjs';

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.png': 'image/png' };

/**
 * Serves the checkout's dist and models on a free port. `bend(path)` may return { status, headers, body, hang } for a request.
 * Also serves `extra`: path to text. Requests are noted in `asked`.
 */
export async function serving({ bend = () => undefined, headers = {}, extra = {} } = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    asked.push(path);
    const bent = bend(path) ?? {};
    if (bent.hang) return;
    const body = bent.body ?? extra[path] ?? (path === '/' ? '<!doctype html><title>x</title>' : /^\/(dist|models)\//.test(path)
      ? await readFile(join(root, normalize(path))).catch(() => undefined) : undefined);
    const type = path === '/' ? 'text/html' : types[extname(path)] ?? 'application/octet-stream';
    response.writeHead(bent.status ?? (body === undefined ? 404 : 200), { 'content-type': type, ...headers, ...bent.headers });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}/`, asked, close };
}
