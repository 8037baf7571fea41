/* LPIPS beside the page: { net } first, then { id, image, others } each answered by { id, values } or { id, error }. */
import { makeLpips } from './lpips.js';

let lpips;

onmessage = ({ data: { net, id, image, others } }) => {
  try {
    lpips ??= makeLpips(net);
    if (!image) return;
    const reference = lpips.features(image);
    postMessage({ id, values: others.map((other) => lpips.distance(reference, lpips.features(other))) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
