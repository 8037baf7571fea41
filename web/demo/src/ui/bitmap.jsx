/* Large pictures as elements: nothing is copied or painted on the page's own thread. With a label they are images to screen
 * readers, without one they are decoration. */
import { useEffect, useRef } from 'preact/hooks';
import { breathe } from '../lib/pause.js';

let turn = Promise.resolve(); // one a frame: where the compositor has no GPU, 12 megapixels take it tens of milliseconds

const spoken = (label) => ({ role: label ? 'img' : undefined, 'aria-label': label, 'aria-hidden': label ? undefined : 'true' });

/** An ImageBitmap on a canvas of its own size. */
export function Bitmap({ image, label, ...rest }) {
  const canvas = useRef();
  useEffect(() => {
    let here = true;
    const show = async () => {
      if (!here) return;
      const shared = await createImageBitmap(image); // a canvas keeps what it is given, and this may be shown again
      if (here) canvas.current.getContext('bitmaprenderer').transferFromImageBitmap(shared);
      await new Promise(requestAnimationFrame);
      await breathe();
    };
    turn = turn.then(show).catch(() => {}); // closed by now
    return () => (here = false);
  }, [image]);
  return <canvas ref={canvas} width={image.width} height={image.height} {...spoken(label)} {...rest} />;
}

/** Two ImageBitmaps of one size as a + share (b - a), mixed by the compositor: `share` changes at once. Without b: a alone. */
export function Mix({ a, b, share, label, ...rest }) {
  return (
    <div {...spoken(label)} {...rest}>
      <div class="mix">
        <Bitmap image={a} style={{ opacity: b ? 1 - share : 1 }} />
        {b && <Bitmap image={b} style={{ opacity: share }} />}
      </div>
    </div>
  );
}
