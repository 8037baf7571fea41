/* Two pictures of one size over each other with a divider: drag it, drag anywhere while nothing is zoomed, or use the
 * arrow keys on its handle. Zoom and pan move both. */
import { useRef, useState } from 'preact/hooks';
import { useZoom, zoomKey } from './zoom.js';
import { ZoomBar } from './zoom-bar.jsx';

const clamp = (x) => Math.min(100, Math.max(0, x));

/**
 * @param {{ width: number, height: number, before?: Element | null, after?: Element | null, view?: 'slider' | 'difference',
 *   beforeLabel: string, afterLabel: string, start?: number }} props  before, after: elements of class "picture", which are given their size here; start: where the divider is at first, in %
 */
export function Compare({ width, height, before, after, view = 'slider', beforeLabel, afterLabel, start = 50 }) {
  const box = useRef();
  const zoom = useZoom(box, width, height);
  const [split, setSplit] = useState(start);
  const both = Boolean(before && after);
  const sliding = both && view === 'slider';
  const cut = sliding ? split : before && !after ? 100 : 0;
  const pointers = useRef(new Set());

  const follow = (event) => {
    const { left, width: wide } = box.current.getBoundingClientRect();
    setSplit(clamp((100 * (event.clientX - left)) / wide));
  };
  const onPointerDown = (event) => {
    if (!sliding || event.button || event.target.closest('.zoom-bar')) return;
    pointers.current.add(event.pointerId);
    const handle = event.target.closest('.handle');
    if (!handle && (zoom.zoomed || pointers.current.size > 1)) return;
    const target = box.current;
    target.setPointerCapture(event.pointerId);
    if (!handle) follow(event);
    const move = (e) => pointers.current.size === 1 && follow(e);
    const end = (e) => {
      pointers.current.delete(e.pointerId);
      target.removeEventListener('pointermove', move);
      target.removeEventListener('pointerup', end);
      target.removeEventListener('pointercancel', end);
    };
    target.addEventListener('pointermove', move);
    target.addEventListener('pointerup', end);
    target.addEventListener('pointercancel', end);
  };
  const forget = (event) => pointers.current.delete(event.pointerId);

  const sharp = zoom.scale * devicePixelRatio >= 2 ? 'pixelated' : 'auto';
  const size = { '--width': `${width}px`, '--height': `${height}px`, '--rendering': sharp };
  return (
    <div ref={box} class={`compare ${view}${zoom.zoomed ? ' zoomed' : ''}`} tabIndex={0} role="group"
      aria-label={`${beforeLabel} and ${afterLabel}. Plus and minus zoom, 0 fits, arrow keys pan when zoomed.`}
      onKeyDown={(event) => event.target === box.current && zoomKey(event, zoom)} onPointerDown={onPointerDown} onPointerUp={forget} onPointerCancel={forget}>
      <div class="layers" style={size}>
        {after && (
          <div class="layer" style={{ clipPath: view === 'difference' && both ? 'none' : `inset(0 0 0 ${cut}%)` }}>
            {after}
          </div>
        )}
        {before && (
          <div class="layer above" style={{ clipPath: view === 'difference' && both ? 'none' : `inset(0 ${100 - cut}% 0 0)` }}>
            {before}
          </div>
        )}
      </div>
      {sliding && <Divider split={split} setSplit={setSplit} beforeLabel={beforeLabel} afterLabel={afterLabel} />}
      {both && view === 'difference' && <span class="tag left">Difference to the original, amplified 6 times</span>}
      {(sliding || (before && !after)) && <span class="tag left">{beforeLabel}</span>}
      {(sliding || (after && !before)) && <span class="tag right">{afterLabel}</span>}
      <ZoomBar zoom={zoom} />
    </div>
  );
}

function Divider({ split, setSplit, beforeLabel, afterLabel }) {
  const onKeyDown = (event) => {
    const step = event.shiftKey ? 10 : 2;
    const to = { ArrowLeft: split - step, ArrowDown: split - step, ArrowRight: split + step, ArrowUp: split + step,
      PageDown: split - 10, PageUp: split + 10, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setSplit(clamp(to));
  };
  return (
    <div class="divider" data-still style={{ left: `${split}%` }}>
      <div class="handle" role="slider" tabIndex={0} aria-label={`Divider between ${beforeLabel} and ${afterLabel}`} aria-orientation="horizontal"
        aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(split)} aria-valuetext={`${Math.round(split)} % ${beforeLabel}`} onKeyDown={onKeyDown}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M7.5 5.5 3 10l4.5 4.5M12.5 5.5 17 10l-4.5 4.5" /></svg>
      </div>
    </div>
  );
}
