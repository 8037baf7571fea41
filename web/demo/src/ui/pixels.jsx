/* Pictures in memory as elements. */
import { useEffect, useRef } from 'preact/hooks';

/** An ImageData on a canvas of its own size. With a label it is an image to screen readers, without one it is decoration. */
export function Pixels({ image, label, ...rest }) {
  const canvas = useRef();
  useEffect(() => {
    if (!image) return;
    Object.assign(canvas.current, { width: image.width, height: image.height });
    canvas.current.getContext('2d').putImageData(image, 0, 0);
  }, [image]);
  return <canvas ref={canvas} role={label ? 'img' : undefined} aria-label={label} aria-hidden={label ? undefined : 'true'} {...rest} />;
}
