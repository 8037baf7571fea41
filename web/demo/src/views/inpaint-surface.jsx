/* The picture under its mask, to be drawn on by mouse, pen or finger, and by keys: a marker that arrow keys move sets the corners
 * of a rectangle. The mask is painted in pixels of the screen, while drawing only where the stroke went. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { boxOnScreen, paintMask, union } from '../lib/overlay.js';
import { commit, diameter, fillRectangle, mask, picture, revert } from '../state/editing.js';
import { say } from '../state/notice.js';
import { settings } from '../state/settings.js';
import { Pixels } from '../ui/pixels.jsx';
import { useZoom, zoomKey } from '../ui/zoom.js';
import { ZoomBar } from '../ui/zoom-bar.jsx';

const MOST_PAINTED = 2e6; // pixels of the screen: on a larger one the mask is painted coarser
const PEN_ERASER = 5; // a pen's other end, as PointerEvent.button counts

const clamp = (x, least, most) => Math.min(most, Math.max(least, x));

/** The whole pixels between two points, in any order, as a box within the picture. */
function boxOf([ax, ay], [bx, by], { width, height }) {
  const x = clamp(Math.floor(Math.min(ax, bx)), 0, width), y = clamp(Math.floor(Math.min(ay, by)), 0, height);
  return { x, y, width: clamp(Math.ceil(Math.max(ax, bx)), 0, width) - x, height: clamp(Math.ceil(Math.max(ay, by)), 0, height) - y };
}

export function InpaintSurface() {
  const box = useRef(), overlay = useRef(), ring = useRef();
  const hand = useRef(false); // the space bar is down: dragging moves the picture
  const { name, pixels } = picture.value;
  const { width, height } = pixels;
  const drawn = mask.value;
  const zoom = useZoom(box, width, height, (event) => event.type === 'mousedown' && (event.button === 1 || (!event.button && hand.current)));
  const [frame, setFrame] = useState(null); // a rectangle under way
  const [marker, setMarker] = useState(null); // { at, corner }: where the keys are, and the corner that they have set

  /** How the overlay lies over the picture. */
  const view = () => {
    const { left, top, width: wide } = box.current.getBoundingClientRect();
    const [x0, y0] = zoom.toPicture({ clientX: left, clientY: top });
    const [x1] = zoom.toPicture({ clientX: left + wide, clientY: top });
    return { left: x0, top: y0, scale: overlay.current.width / (x1 - x0) };
  };
  useEffect(() => {
    const { clientWidth, clientHeight } = box.current;
    const part = Math.min(1, Math.sqrt(MOST_PAINTED / (clientWidth * clientHeight)));
    const size = { width: Math.max(1, Math.round(clientWidth * part)), height: Math.max(1, Math.round(clientHeight * part)) };
    if (overlay.current.width !== size.width || overlay.current.height !== size.height) Object.assign(overlay.current, size);
    paintMask(overlay.current.getContext('2d'), drawn, view());
  }); // after every change of view or mask

  const pointer = useDrawing({
    at: zoom.toPicture, within: pixels, showFrame: setFrame,
    paint: (area) => overlay.current && paintMask(overlay.current.getContext('2d'), mask.peek(), view(), boxOnScreen(area, view())),
  });
  const onPointerDown = (event) => {
    if (!event.target.closest('[data-still]') && !hand.current) pointer.down(event);
  };
  const onPointerMove = (event) => {
    const { left, top } = box.current.getBoundingClientRect();
    const over = event.pointerType !== 'touch' && !event.target.closest('[data-still]') && settings.tool.value !== 'rectangle';
    ring.current.hidden = !over;
    ring.current.style.translate = `${event.clientX - left}px ${event.clientY - top}px`;
    pointer.move(event);
  };

  const step = Math.max(1, Math.round(Math.max(width, height) / 100));
  const onKeyDown = (event) => {
    if (event.target !== box.current) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === ' ') hand.current = true;
    else if (way && !event.ctrlKey && !event.metaKey && !event.altKey) move(way.map((sign) => sign * step * (event.shiftKey ? 8 : 1)));
    else if (event.key === 'Enter') marker?.corner ? finish(settings.tool.value !== 'eraser') : setCorner();
    else if (['Delete', 'Backspace'].includes(event.key) && marker?.corner) finish(false);
    else if (event.key === 'Escape') {
      pointer.abandon();
      setMarker(marker?.corner ? { at: marker.at, corner: null } : null);
    } else {
      zoomKey(event, { ...zoom, zoomed: false });
      return;
    }
    event.preventDefault();
  };
  const move = ([dx, dy]) => {
    const [x, y] = marker?.at ?? [width >> 1, height >> 1];
    const at = marker ? [clamp(x + dx, 0, width), clamp(y + dy, 0, height)] : [x, y];
    setMarker({ at, corner: marker?.corner ?? null });
    const around = marker?.corner && boxOf(marker.corner, at, pixels);
    say(around ? `${around.width} by ${around.height} pixels.` : `Column ${at[0]}, row ${at[1]}.`);
  };
  const setCorner = () => {
    const at = marker?.at ?? [width >> 1, height >> 1];
    setMarker({ at, corner: at });
    say(`Corner at column ${at[0]}, row ${at[1]}. Arrow keys stretch the rectangle, Enter ends it.`);
  };
  const finish = (on) => {
    const around = boxOf(marker.corner, marker.at, pixels);
    setMarker({ at: marker.at, corner: null });
    if (around.width && around.height) fillRectangle(around, on);
  };

  const sharp = zoom.scale * devicePixelRatio >= 2 ? 'pixelated' : 'auto';
  const outline = frame ?? (marker?.corner && boxOf(marker.corner, marker.at, pixels));
  return (
    <div ref={box} class="compare surface" tabIndex={0} role="application" aria-roledescription="mask"
      aria-label={`Mask over ${name}, ${width} by ${height} pixels. Arrow keys move a marker, with Shift further. Enter sets a corner of a rectangle, Enter again masks it, Delete unmasks it, Escape leaves it.`}
      onPointerDown={onPointerDown} onPointerMove={onPointerMove} onPointerUp={pointer.up} onPointerCancel={pointer.abandon}
      onPointerLeave={() => (ring.current.hidden = true)}
      onKeyDown={onKeyDown} onKeyUp={({ key }) => key === ' ' && (hand.current = false)} onBlur={() => (hand.current = false)}>
      <div class="layers" style={{ '--width': `${width}px`, '--height': `${height}px`, '--rendering': sharp }}>
        <div class="layer"><Pixels class="picture" image={pixels} /></div>
        <canvas ref={overlay} class="overlay" aria-hidden="true" />
        <div class="picture">
          {outline && <i class="cell" style={{ left: `${outline.x}px`, top: `${outline.y}px`, width: `${outline.width}px`, height: `${outline.height}px` }} />}
          {marker && <i class="marker" style={{ left: `${marker.at[0]}px`, top: `${marker.at[1]}px` }} />}
        </div>
      </div>
      <i ref={ring} class="ring" hidden style={{ '--across': `${diameter.value * zoom.scale}px` }} />
      <ZoomBar zoom={zoom} />
    </div>
  );
}

/** Strokes and rectangles by pointer; `at(event)` is its place in the picture, `paint(box)` shows what changed there. */
function useDrawing({ at, within, paint, showFrame }) {
  const now = useRef(null); // { id, type, kind, on, from, last, dirty } while a pointer draws

  const show = () => {
    if (!now.current?.dirty) return;
    paint(now.current.dirty);
    now.current.dirty = null;
  };
  const draw = (to) => {
    const { last, on, dirty } = now.current;
    if (!dirty) requestAnimationFrame(show);
    now.current.dirty = union(dirty, mask.peek().stroke(last, to, diameter.peek() / 2, on));
    now.current.last = to;
  };
  const abandon = () => {
    if (!now.current) return;
    now.current = null;
    showFrame(null);
    revert();
  };
  return {
    abandon,
    down(event) {
      if (now.current) return now.current.type === 'touch' && event.pointerType === 'touch' ? abandon() : undefined; // a second finger: it was to be a pinch
      if (event.button && event.button !== PEN_ERASER) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      const from = at(event), kind = settings.tool.peek();
      const on = kind !== 'eraser' && event.button !== PEN_ERASER && !event.altKey;
      now.current = { id: event.pointerId, type: event.pointerType, kind, on, from, last: from, dirty: null };
      if (kind !== 'rectangle') draw(from);
    },
    move(event) {
      if (now.current?.id !== event.pointerId) return;
      if (now.current.kind === 'rectangle') showFrame(boxOf(now.current.from, at(event), within));
      else for (const each of event.getCoalescedEvents?.() ?? []) draw(at(each));
    },
    up(event) {
      if (now.current?.id !== event.pointerId) return;
      const { kind, on, from } = now.current;
      if (kind !== 'rectangle') {
        draw(at(event));
        now.current = null;
        return commit(on ? 'stroke' : 'erased stroke');
      }
      const box = boxOf(from, at(event), within);
      now.current = null;
      showFrame(null);
      if (box.width && box.height) fillRectangle(box, on);
    },
  };
}
