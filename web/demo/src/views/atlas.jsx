/* The codebook atlas: the decoded picture of every code of one level. Codes that the open picture does not use are faint. */
import { useEffect, useRef } from 'preact/hooks';
import { takeBrush, tool } from '../state/painting.js';
import { blur, focus, focusOn, order, patches, toggleHold, usage } from '../state/tokens.js';
import { moveCell } from '../ui/cells.js';

/** Columns of a nearly square atlas. */
export const columnsOf = (count) => Math.ceil(Math.sqrt(count));

/** The atlas as ImageData: patches in `order`, row by row; undecoded ones stay transparent. null before the first patch. */
export function atlasImage(list, order) {
  const side = list.find(Boolean)?.width;
  if (!side) return null;
  const columns = columnsOf(order.length);
  const image = new ImageData(columns * side, Math.ceil(order.length / columns) * side);
  order.forEach((code, at) => {
    const patch = list[code];
    if (!patch) return;
    const left = (at % columns) * side, top = Math.floor(at / columns) * side;
    for (let y = 0; y < side; y++) image.data.set(patch.data.subarray(y * side * 4, (y + 1) * side * 4), ((top + y) * image.width + left) * 4);
  });
  return image;
}

export function Atlas() {
  const canvas = useRef();
  const { list, done } = patches.value;
  const count = order.value.length, columns = columnsOf(count), rows = Math.ceil(count / columns);
  const counts = usage.value?.counts;
  useEffect(() => {
    const image = atlasImage(list, order.value);
    if (!image) return;
    if (counts) order.value.forEach((code, at) => counts[code] || fade(image, at, columns));
    Object.assign(canvas.current, { width: image.width, height: image.height });
    canvas.current.getContext('2d').putImageData(image, 0, 0);
  }, [patches.value, order.value, counts]);

  const place = focus.value ? order.value.indexOf(focus.value.code) : -1;
  const codeAt = (event) => {
    const frame = event.currentTarget.getBoundingClientRect();
    const x = Math.floor((columns * (event.clientX - frame.left)) / frame.width), y = Math.floor((rows * (event.clientY - frame.top)) / frame.height);
    return order.value[y * columns + x];
  };
  const point = (event) => {
    const code = codeAt(event);
    if (code !== undefined && code !== focus.value?.code) focusOn({ code });
  };
  const onClick = (event) => {
    const code = codeAt(event);
    if (tool.value === 'paint' && code !== undefined) takeBrush(code);
    else toggleHold({ code });
  };
  const onKeyDown = (event) => {
    const to = moveCell(event.key, Math.max(0, place), columns, count);
    if (place >= 0 && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      takeBrush(order.value[place]);
    }
    if (event.key === 'Escape') blur(true);
    if (to === undefined) return;
    event.preventDefault();
    focusOn({ code: order.value[place < 0 ? 0 : to] }, true);
  };
  return (
    <div class="atlas" tabIndex={0} role="application" aria-roledescription="codebook atlas" aria-label={`${count} codes, ${done} shown. Arrow keys go from code to code, Enter takes one as the brush.`}
      onPointerMove={point} onPointerLeave={() => blur()} onClick={onClick} onKeyDown={onKeyDown} style={{ aspectRatio: `${columns} / ${rows}` }}>
      <canvas ref={canvas} aria-hidden="true" />
      {place >= 0 && <i class="cell" style={{ left: `${(100 * (place % columns)) / columns}%`, top: `${(100 * Math.floor(place / columns)) / rows}%`, width: `${100 / columns}%`, height: `${100 / rows}%` }} />}
      {done < count && <p class="hint over">{done} of {count} decoded</p>}
    </div>
  );
}

/** Makes the patch at one place of the atlas faint. */
function fade(image, at, columns) {
  const side = image.width / columns;
  const left = (at % columns) * side, top = Math.floor(at / columns) * side;
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) image.data[(y * image.width + x) * 4 + 3] = 56;
  }
}
