/* Pictures in memory as elements. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { LARGE, painter } from '../lib/pictures.js';

const spoken = (label) => ({ role: label ? 'img' : undefined, 'aria-label': label, 'aria-hidden': label ? undefined : 'true' });

/** An ImageData on a canvas of its own size. With a label it is an image to screen readers, without one it is decoration. */
export function Pixels({ image, ...rest }) {
  return image?.width * image?.height > LARGE ? <Large image={image} {...rest} /> : <Small image={image} {...rest} />;
}

function Small({ image, label, ...rest }) {
  const canvas = useRef();
  useLayoutEffect(() => { // in the frame that shows its label, too
    if (!image) return;
    Object.assign(canvas.current, { width: image.width, height: image.height });
    canvas.current.getContext('2d').putImageData(image, 0, 0);
  }, [image]);
  return <canvas ref={canvas} {...spoken(label)} {...rest} />;
}

/** Painted by the worker, a moment later. */
function Large({ image, label, ...rest }) {
  const canvas = useRef(), worker = useRef();
  useEffect(() => {
    worker.current = painter(canvas.current);
    return () => worker.current.free();
  }, []);
  useEffect(() => {
    worker.current.paint(image);
  }, [image]);
  return <canvas ref={canvas} {...spoken(label)} {...rest} />;
}
