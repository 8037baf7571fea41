// The package's Node worker on a bad day, given by the variable BAD_DAY: "fault=N" spoils the first attempt at the step after
// every N-th with a number that is not finite (the core's testing aid), "die=N" ends the worker once it has told of step N.
import { parentPort } from 'node:worker_threads';

const day = new URLSearchParams(process.env.BAD_DAY);
const [fault, die] = ['fault', 'die'].map((name) => Number(day.get(name)));
const set = (values) => parentPort.emit('message', { id: -1, op: 'trainer.set', args: { values } });
const post = parentPort.postMessage.bind(parentPort);
parentPort.postMessage = (message, transfer) => {
  post(message, transfer);
  const step = message.progress?.step;
  if (step && step === die) process.exit(3);
  if (step && step % fault === 0) set({ fault: 1 }); // while the next step has not begun
};
await import('../../dist/node-worker.js');
