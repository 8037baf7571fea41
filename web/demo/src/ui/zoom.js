/* Zoom and pan of a picture in a box: wheel, pinch, drag and double click by d3-zoom, buttons and keys by `act`. */
import { select } from 'd3-selection';
import { zoom, zoomIdentity } from 'd3-zoom';
import { useEffect, useRef, useState } from 'preact/hooks';

const MAX_FIT = 12; // a tiny picture is not blown up further than this to fill the box

/** Who may drag a zoomed picture: one finger or the main button. */
const alone = (event) => (event.type === 'touchstart' ? event.touches.length === 1 : !event.button);

/**
 * Keeps the CSS variable `--place` of `box` (a ref) at the transform that puts a width x height picture into it. `drags(event)`
 * says whether one pointer that goes down drags the picture where it is zoomed; two fingers always do.
 * With data-drag="paint" on the box, dragging is left to whoever paints; wheel and pinch still zoom.
 * @returns {{ scale: number, zoomed: boolean, act: (what: 'in' | 'out' | 'fit' | 'actual' | [number, number]) => void, toPicture: (event) => [number, number] }}
 *   scale: CSS pixels per picture pixel
 */
export function useZoom(box, width, height, drags = alone) {
  const [view, setView] = useState({ k: 1, scale: 1 });
  const state = useRef({ t: zoomIdentity, fit: 1, left: 0, top: 0 });

  useEffect(() => {
    const element = box.current;
    if (!element || !width || !height) return;
    const now = state.current;
    const place = () => {
      const { t, fit, left, top } = now;
      element.style.setProperty('--place', `translate(${t.x + t.k * left}px, ${t.y + t.k * top}px) scale(${t.k * fit})`);
      element.style.setProperty('--unit', `${1 / (t.k * fit)}px`);
      setView({ k: t.k, scale: t.k * fit });
    };
    const behaviour = zoom()
      .filter((event) => {
        if (event.target.closest('[data-still]')) return false;
        if (event.type === 'wheel') return true;
        if (event.type === 'touchstart' && event.touches.length > 1) return true;
        if (element.dataset.drag === 'paint') return false;
        return drags(event) && (now.t.k > 1 || event.type === 'dblclick');
      })
      .on('zoom', ({ transform }) => {
        now.t = transform;
        place();
      });
    const selection = select(element).call(behaviour);
    const fitIn = () => {
      const { clientWidth: w, clientHeight: h } = element;
      now.fit = Math.min(w / width, h / height, MAX_FIT);
      now.left = (w - width * now.fit) / 2;
      now.top = (h - height * now.fit) / 2;
      behaviour.extent([[0, 0], [w, h]]).translateExtent([[0, 0], [w, h]]).scaleExtent([1, Math.max(8, 24 / now.fit)]);
      place();
    };
    const observer = new ResizeObserver(fitIn);
    observer.observe(element);
    now.act = (what) => {
      if (Array.isArray(what)) behaviour.translateBy(selection, what[0] / now.t.k, what[1] / now.t.k);
      else if (what === 'in') behaviour.scaleBy(selection, 1.5);
      else if (what === 'out') behaviour.scaleBy(selection, 1 / 1.5);
      else if (what === 'fit') behaviour.transform(selection, zoomIdentity);
      else behaviour.scaleTo(selection, 1 / (now.fit * devicePixelRatio));
    };
    behaviour.transform(selection, zoomIdentity);
    fitIn();
    return () => {
      observer.disconnect();
      selection.on('.zoom', null);
    };
  }, [width, height]);

  const toPicture = (event) => {
    const { t, fit, left, top } = state.current;
    const frame = box.current.getBoundingClientRect();
    return [(event.clientX - frame.left - t.x - t.k * left) / (t.k * fit), (event.clientY - frame.top - t.y - t.k * top) / (t.k * fit)];
  };
  return { scale: view.scale, zoomed: view.k > 1.001, act: (what) => state.current.act?.(what), toPicture };
}

/** Keys of a zoomable box: + - 0 1 and, when zoomed in, the arrows. Returns true if the key was one of them. */
export function zoomKey(event, { act, zoomed }) {
  const named = { '+': 'in', '=': 'in', '-': 'out', 0: 'fit', 1: 'actual' }[event.key];
  const pan = zoomed && { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || !(named || pan)) return false;
  event.preventDefault();
  act(named ?? pan);
  return true;
}
