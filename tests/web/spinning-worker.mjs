// The package's Node worker with a giddy head: a picture 13 pixels wide makes it say so, and then spin for ever.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ args }) => {
  if (args?.pixels?.width !== 13) return;
  parentPort.postMessage({ id: -1, progress: 'spinning' });
  for (;;);
});
await import('../../dist/node-worker.js');
