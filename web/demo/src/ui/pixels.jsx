/* Pictures in memory as elements. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { bitmapOf } from '../lib/pictures.js';
import { Bitmap } from './bitmap.jsx';

const LARGE = 2 ** 21; // pixels: to paint more, and to hand it to the compositor, holds the page up

/** An ImageData on a canvas of its own size. With a label it is an image to screen readers, without one it is decoration. */
export function Pixels({ image, ...rest }) {
  return image?.width * image?.height > LARGE ? <Large image={image} {...rest} /> : <Small image={image} {...rest} />;
}

function Small({ image, label, ...rest }) {
  const canvas = useRef();
  useEffect(() => {
    if (!image) return;
    Object.assign(canvas.current, { width: image.width, height: image.height });
    canvas.current.getContext('2d').putImageData(image, 0, 0);
  }, [image]);
  return <canvas ref={canvas} role={label ? 'img' : undefined} aria-label={label} aria-hidden={label ? undefined : 'true'} {...rest} />;
}

/** There a moment later. */
function Large({ image, ...rest }) {
  const [bitmap, setBitmap] = useState(null);
  useEffect(() => {
    let made = null, here = true;
    bitmapOf(image).then((next) => {
      made = next;
      if (here) setBitmap(next);
      else next.close();
    }, () => {}); // the worker is gone: there is no picture then
    return () => {
      here = false;
      made?.close();
    };
  }, [image]);
  return bitmap && <Bitmap image={bitmap} {...rest} />;
}
