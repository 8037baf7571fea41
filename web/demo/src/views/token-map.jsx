/* The token grid of one level as a picture: one square per token. Pointer or arrow keys put a token in focus; every other
 * place of the same code stays lit. */
import { useEffect, useRef } from 'preact/hooks';
import { codec } from '../state/codec.js';
import { shown } from '../state/session.js';
import { settings } from '../state/settings.js';
import { blur, codes, focus, focusOn, grid, level, patchColours, placeColours, toggleHold } from '../state/tokens.js';
import { moveCell } from '../ui/cells.js';
import { Pixels } from '../ui/pixels.jsx';
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

export function TokenMap() {
  const { width, height } = grid.value;
  const factor = codec.value?.model.factor ?? 8;
  const box = useRef(), base = useRef(), veil = useRef();
  const zoom = useZoom(box, width * factor, height * factor);
  const kind = settings.paint.value, here = focus.value, list = codes.value;
  const colours = kind === 'patch' ? patchColours.value : placeColours.value;

  useEffect(() => {
    if (list && kind !== 'picture') paint(base.current, grid.value, (i) => colours[list[i]]);
  }, [list, colours, kind]);
  useEffect(() => {
    if (list) paint(veil.current, grid.value, (i) => (here && list[i] !== here.code ? VEIL : 0));
  }, [list, here?.code]);

  const cellAt = (event) => {
    const [x, y] = zoom.toPicture(event).map((at) => Math.floor(at / factor));
    return x >= 0 && y >= 0 && x < width && y < height ? y * width + x : -1;
  };
  const onPointerMove = (event) => {
    if (event.buttons || event.pointerType === 'touch') return;
    const cell = cellAt(event);
    if (cell >= 0 && cell !== here?.cell) focusOn({ cell });
  };
  const onClick = (event) => {
    if (event.target.closest('[data-still]')) return;
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
    else zoomKey(event, { ...zoom, zoomed: false });
  };
  const size = { width: `${width * factor}px`, height: `${height * factor}px` };
  const { decoded } = shown.value;
  return (
    <div ref={box} class={`compare token-map${zoom.zoomed ? ' zoomed' : ''}`} tabIndex={0} role="application" aria-roledescription="token grid"
      aria-label={`Tokens of level ${level.value + 1}, ${width} columns and ${height} rows. Arrow keys go from token to token, Escape leaves.`}
      onPointerMove={onPointerMove} onPointerLeave={() => blur()} onClick={onClick} onKeyDown={onKeyDown}>
      <div class="layers">
        <Pixels class="picture" image={decoded} style={{ width: `${decoded.width}px`, height: `${decoded.height}px` }} />
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
