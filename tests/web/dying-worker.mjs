// The package's Node worker with a weak heart: a picture 13 pixels wide ends it.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ args }) => {
  if (args?.pixels?.width === 13) process.exit(3);
});
await import('../../dist/node-worker.js');
