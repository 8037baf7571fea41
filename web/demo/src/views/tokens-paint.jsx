/* Code painting: the brush, the way back, and what came of it as files. */
import { saveBlob } from '../lib/files.js';
import { writePng } from '../lib/pictures.js';
import { formatBytes, withExtension } from '../lib/format.js';
import { bits } from '../state/bits.js';
import { report } from '../state/notice.js';
import { brush, changed, chooseTool, paintedFile, paintedPicture, redo, reset, strokes, tool, undo, undone } from '../state/painting.js';
import { source } from '../state/session.js';
import { Button, Section, Segmented } from '../ui/controls.jsx';
import { Patch } from './tokens-code.jsx';

const name = (extension) => withExtension(source.value.name, `-painted${extension}`);
const savePng = () => paintedPicture().then(writePng).then((blob) => saveBlob(blob, name('.png'))).catch((error) => report(error, 'The PNG could not be made'));
const saveTess = () =>
  paintedFile().then((bytes) => saveBlob(new Blob([bytes], { type: 'application/octet-stream' }), name('.tess'))).catch((error) => report(error, 'The file could not be made'));

export function Paint() {
  const count = strokes.value.length;
  return (
    <Section title="Paint with codes">
      <Segmented label="Pointer" value={tool.value} onChange={chooseTool} options={[['look', 'Look'], ['paint', 'Paint']]} />
      {tool.value === 'paint' && (
        <div class="brush">
          {brush.value !== null && <Patch code={brush.value} class="swatch" />}
          <p class="hint">{brush.value === null ? 'Choose a code of the codebook as the brush.' : `The brush is code ${brush.value}.`} Drag over the picture; a click in the codebook changes the brush. By keys: Space paints, B takes the code in focus.</p>
        </div>
      )}
      <div class="actions">
        <Button disabled={!count} onClick={undo}>Undo</Button>
        <Button disabled={!undone.value.length} onClick={redo}>Redo</Button>
        <Button icon="reset" disabled={!changed.value} onClick={reset}>Reset</Button>
      </div>
      {changed.value && (
        <>
          <p class="hint" aria-live="polite">{count} {count === 1 ? 'stroke' : 'strokes'}{bits.value && `; as a file ${formatBytes(bits.value.bytes)}`}.</p>
          <div class="actions">
            <Button icon="picture" onClick={savePng}>Painted PNG</Button>
            <Button icon="save" onClick={saveTess}>Painted .tess</Button>
          </div>
        </>
      )}
    </Section>
  );
}
