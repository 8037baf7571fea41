/* What is worked on, the tools for its mask, and a larger canvas. */
import { formatPercent } from '../lib/format.js';
import { modelList } from '../state/codec.js';
import { clear, diameter, extend, invert, picture, redo, redoable, share, takeTool, undo, undoable } from '../state/editing.js';
import { chooseFiller, chosen, closePicture } from '../state/inpaint.js';
import { report } from '../state/notice.js';
import { rangeOf, settings } from '../state/settings.js';
import { Button, Choice, NumberBox, Section, Segmented, Slider } from '../ui/controls.jsx';

export function InpaintPicture({ choose }) {
  const { name, pixels } = picture.value;
  return (
    <Section>
      <div class="file-line">
        <p class="file-name" title={name}>{name}<small>{pixels.width} × {pixels.height}</small></p>
        <Button kind="quiet" icon="open" label="Open another picture" onClick={choose} />
        <Button kind="quiet" icon="close" label="Close the picture" onClick={closePicture} />
      </div>
      <Choice label="Model" value={settings.filler.value} options={modelList.value.map(({ id, label }) => [id, label])} onChange={chooseFiller} />
    </Section>
  );
}

export function InpaintMask() {
  const { tool, brush } = settings;
  const take = (name) => {
    chosen.value = null;
    takeTool(name);
  };
  return (
    <Section title={`Mask: ${formatPercent(share.value, share.value < 0.1 ? 1 : 0)} of the picture`}>
      <Segmented label="Tool" value={tool.value} onChange={take} options={[['brush', 'Brush'], ['eraser', 'Eraser'], ['rectangle', 'Rectangle']]} />
      <Slider label="Brush size" min={rangeOf('brush').min} max={rangeOf('brush').max} scale="log" value={brush.value} disabled={tool.value === 'rectangle'}
        format={() => `${Math.round(diameter.value)} px`} onInput={(x) => (brush.value = Number(x.toPrecision(2)))} />
      <div class="actions">
        <Button icon="undo" label="Undo" disabled={!undoable.value} onClick={undo} />
        <Button icon="redo" label="Redo" disabled={!redoable.value} onClick={redo} />
        <Button onClick={invert}>Invert</Button>
        <Button disabled={!share.value} onClick={clear}>Clear</Button>
      </div>
      <details class="keys-list">
        <summary>Keys and gestures</summary>
        <dl>
          {keys.map(([key, does]) => <div key={key}><dt>{key}</dt><dd>{does}</dd></div>)}
        </dl>
      </details>
    </Section>
  );
}

const keys = [
  ['B, E, R', 'Brush, eraser, rectangle'],
  ['[ and ]', 'Smaller and larger brush'],
  ['Ctrl+Z, Ctrl+Shift+Z', 'Undo, redo'],
  ['Arrows, Enter', 'On the picture: a rectangle without a pointer; Delete unmasks it'],
  ['Alt, or a pen’s other end', 'Erases while drawing'],
  ['Wheel, two fingers', 'Zoom; drag with the space bar or the middle button held'],
];

export function InpaintExtend() {
  const sides = ['left', 'top', 'right', 'bottom'];
  const none = sides.every((side) => !settings[side].value);
  return (
    <Section title="Larger canvas">
      <div class="boxes four">
        {sides.map((side) => (
          <NumberBox key={side} label={`${side[0].toUpperCase()}${side.slice(1)}`} min={0} max={rangeOf(side).max} step={8} value={settings[side].value} onChange={(x) => (settings[side].value = x)} />
        ))}
      </div>
      <div class="actions"><Button icon="picture" disabled={none} onClick={() => extend().catch(report)}>Extend by these pixels</Button></div>
    </Section>
  );
}
