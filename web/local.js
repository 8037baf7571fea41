/** The core on the caller's own thread: the last rung of the ladder, and `workers: 0`. */
import { fetchBytes, wasmURLs } from './files.js';
import { serve } from './server.js';
import { version } from './version.js';

/** @param {(reply: any) => void} reply @returns {(message: any) => void} */
export function serveHere(reply) {
  reply({ hello: version });
  return serve({ post: reply, readBytes: fetchBytes, urls: wasmURLs });
}
