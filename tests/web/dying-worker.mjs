// The package's Node worker with a weak heart: a picture 13 pixels wide, or the top of one, ends it.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ args }) => {
  if (args?.pixels?.width === 13 && !args.part?.y) process.exit(3);
});
await import('../../dist/node-worker.js');
