/** Zoom buttons in the corner of a picture; `zoom` comes from useZoom. The percentage counts screen pixels. */
export function ZoomBar({ zoom: { scale, act } }) {
  return (
    <div class="zoom-bar" data-still role="group" aria-label="Zoom">
      <button type="button" onClick={() => act('out')} aria-label="Zoom out">−</button>
      <output aria-label="Zoom">{Math.round(100 * scale * devicePixelRatio)} %</output>
      <button type="button" onClick={() => act('in')} aria-label="Zoom in">+</button>
      <button type="button" onClick={() => act('fit')}>Fit</button>
      <button type="button" onClick={() => act('actual')}>1:1</button>
    </div>
  );
}
