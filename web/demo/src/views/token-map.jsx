/* The token grid of one level as a picture: one square per token. Pointer or arrow keys put a token in focus; every other
 * place of the same code stays lit. With the brush in hand dragging, and Space, paint codes. */
import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { heat } from '../lib/colour.js';
import { lineOf } from '../lib/window.js';
import { costs, most } from '../state/bits.js';
import { codec } from '../state/codec.js';
import { beginStroke, brush, draw, endStroke, fresh, picture, put, takeBrush, tool } from '../state/painting.js';
import { shown } from '../state/session.js';
import { settings } from '../state/settings.js';
import { blur, codes, focus, focusOn, grid, level, patchColours, placeColours, toggleHold } from '../state/tokens.js';
import { moveCell } from '../ui/cells.js';
import { useZoom, zoomKey } from '../ui/zoom.js';
import { ZoomBar } from '../ui/zoom-bar.jsx';

const VEIL = 0x88000000; // over tokens of other codes: black, half dense

/** Paints one word per token, 0xAABBGGRR. */
function paint(canvas, { width, height }, word) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = word(i);
  canvas.getContext('2d').putImageData(image, 0, 0);
}

/** Of the heat map: words by 256ths of the scale, the dearer the denser. */
const HEAT = Uint32Array.from({ length: 256 }, (_, i) => {
  const [r, g, b] = heat(i / 255);
  return (((128 + i * 0.32) << 24) | (b << 16) | (g << 8) | r) >>> 0;
});

/** The decoded picture; of a painted one only what is new is drawn. */
function Decoded({ image }) {
  const canvas = useRef();
  useEffect(() => {
    Object.assign(canvas.current, { width: image.width, height: image.height });
    canvas.current.getContext('2d').putImageData(image, 0, 0);
  }, [image]);
  useSignalEffect(() => {
    const part = fresh.value;
    if (part && canvas.current?.width === picture.peek()?.width) canvas.current.getContext('2d').putImageData(picture.peek(), 0, 0, part.x, part.y, part.width, part.height);
  });
  return <canvas ref={canvas} class="picture decoded" aria-hidden="true" style={{ width: `${image.width}px`, height: `${image.height}px` }} />;
}

export function TokenMap() {
  const { width, height } = grid.value;
  const factor = codec.value?.model.factor ?? 8;
  const box = useRef(), base = useRef(), veil = useRef();
  const zoom = useZoom(box, width * factor, height * factor);
  const kind = settings.paint.value, here = focus.value, list = codes.value;
  const painting = tool.value === 'paint', bits = costs.value, scale = 255 / most.value;
  const stroke = useRef(-1); // the last cell of the one under way, or -1
  const colours = kind === 'patch' ? patchColours.value : placeColours.value;

  useEffect(() => {
    if (list && kind !== 'picture' && kind !== 'bits') paint(base.current, grid.value, (i) => colours[list[i]]);
  }, [list, colours, kind]);
  useEffect(() => {
    if (kind === 'bits') paint(base.current, grid.value, (i) => (bits ? HEAT[Math.min(255, Math.round(scale * bits[i]))] : 0));
  }, [bits, scale, kind]);
  useEffect(() => endStroke, []);
  const plain = painting || kind === 'bits'; // nothing is dimmed
  useEffect(() => {
    if (list) paint(veil.current, grid.value, (i) => (here && !plain && list[i] !== here.code ? VEIL : 0));
  }, [list, here?.code, plain]);

  const cellAt = (event) => {
    const [x, y] = zoom.toPicture(event).map((at) => Math.floor(at / factor));
    return x >= 0 && y >= 0 && x < width && y < height ? y * width + x : -1;
  };
  const onPointerDown = (event) => {
    if (!event.isPrimary) return onPointerUp(); // a second finger zooms
    const cell = cellAt(event);
    if (!painting || event.button || cell < 0 || event.target.closest('[data-still]')) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    stroke.current = cell;
    beginStroke();
    draw([cell]);
  };
  const onPointerUp = () => {
    if (stroke.current >= 0) endStroke();
    stroke.current = -1;
  };
  const onPointerMove = (event) => {
    if (stroke.current >= 0) {
      const cell = cellAt(event);
      if (cell < 0) return;
      draw(lineOf(stroke.current, cell, width));
      stroke.current = cell;
      return;
    }
    if (event.buttons || event.pointerType === 'touch') return;
    const cell = cellAt(event);
    if (cell >= 0 && cell !== here?.cell) focusOn({ cell });
  };
  const onClick = (event) => {
    if (painting || event.target.closest('[data-still]')) return;
    const cell = cellAt(event);
    if (cell >= 0) toggleHold({ cell });
  };
  const onKeyDown = (event) => {
    if (event.target !== box.current) return;
    const to = moveCell(event.key, Math.max(0, here?.cell ?? 0), width, width * height);
    if (to !== undefined) {
      event.preventDefault();
      focusOn({ cell: here && here.cell >= 0 ? to : 0 }, true);
    } else if (event.key === 'Escape') blur(true);
    else if (here?.cell >= 0 && (event.key === ' ' || event.key === 'Enter') && painting) {
      event.preventDefault();
      put(here.cell, brush.value);
    } else if (here && event.key.toLowerCase() === 'b' && !event.ctrlKey && !event.metaKey && !event.altKey) takeBrush(here.code);
    else zoomKey(event, { ...zoom, zoomed: false });
  };
  const size = { width: `${width * factor}px`, height: `${height * factor}px` };
  const { decoded } = shown.value;
  return (
    <div ref={box} class={`compare token-map${zoom.zoomed ? ' zoomed' : ''}`} data-drag={tool.value} tabIndex={0} role="application" aria-roledescription="token grid"
      aria-label={`Tokens of level ${level.value + 1}, ${width} columns and ${height} rows. Arrow keys go from token to token, ${painting ? 'Space paints, ' : ''}B takes a code as the brush, Escape leaves.`}
      onPointerDown={onPointerDown} onPointerUp={onPointerUp} onPointerCancel={onPointerUp} onPointerMove={onPointerMove} onPointerLeave={() => blur()} onClick={onClick} onKeyDown={onKeyDown}>
      <div class="layers">
        <Decoded image={picture.value ?? decoded} />
        <canvas ref={base} class="picture sharp" hidden={kind === 'picture'} style={size} aria-hidden="true" />
        <canvas ref={veil} class="picture sharp veil" style={size} aria-hidden="true" />
        {here && here.cell >= 0 && (
          <div class="picture"><i class="cell" style={{ left: `${(here.cell % width) * factor}px`, top: `${Math.floor(here.cell / width) * factor}px`, width: `${factor}px`, height: `${factor}px` }} /></div>
        )}
      </div>
      <ZoomBar zoom={zoom} />
    </div>
  );
}
