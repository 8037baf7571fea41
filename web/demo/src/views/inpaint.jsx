/* The Inpaint tab: mask a part of a picture, have it filled, choose among the samples. */
import { useEffect } from 'preact/hooks';
import { pickFiles } from '../lib/files.js';
import { picture, redo, resizeBrush, takeTool, undo } from '../state/editing.js';
import { report } from '../state/notice.js';
import { adopt, cancel, chosen, fetching, job, openPicture, picked } from '../state/inpaint.js';
import { Compare } from '../ui/compare.jsx';
import { Pixels } from '../ui/pixels.jsx';
import { Progress } from '../ui/progress.jsx';
import { InpaintExtend, InpaintMask, InpaintPicture } from './inpaint-mask.jsx';
import { InpaintFill, InpaintSampling } from './inpaint-fill.jsx';
import { InpaintSurface } from './inpaint-surface.jsx';
import { Start } from './intro.jsx';

export async function choose() {
  const [file] = await pickFiles({ accept: 'image/*' });
  if (file) openPicture(file);
}

const stages = { load: 'Loading', fill: 'Filling' };
const tools = { b: 'brush', e: 'eraser', r: 'rectangle' };

/** Keys of the whole tab, except where something is typed. */
function shortcut(event) {
  if (!picture.value || event.target.closest('select, textarea, input:not([type=range], [type=radio])')) return;
  const key = event.key.toLowerCase(), held = event.ctrlKey || event.metaKey;
  if (held && !event.altKey && (key === 'z' || key === 'y')) key === 'y' || event.shiftKey ? redo() : undo();
  else if (key === '[' || key === ']') resizeBrush(key === ']' ? 1 : -1);
  else if (tools[key] && !held && !event.altKey) {
    chosen.value = null;
    takeTool(tools[key]);
  } else return;
  event.preventDefault();
}

export function InpaintView() {
  useEffect(() => {
    adopt().catch(report);
  }, []);
  const open = picture.value;
  return (
    <>
      <section class="stage" aria-label="Picture to fill in" aria-busy={job.value !== null} onKeyDown={shortcut}
        style={open && { '--tall': open.pixels.height / open.pixels.width }}>
        {!open ? <Intro /> : picked.value ? <Result /> : <InpaintSurface />}
        {job.value && <Progress what={stages[job.value.stage]} part={fetching.value ?? job.value.part} onCancel={cancel} />}
      </section>
      <aside class="panel" aria-label="Inpaint settings" onKeyDown={shortcut}>
        {open && <InpaintPicture choose={choose} />}
        {open && <InpaintMask />}
        {open && <InpaintFill />}
        {open && <InpaintExtend />}
        <InpaintSampling />
      </aside>
    </>
  );
}

function Intro() {
  return (
    <Start title="Paint a part of a photo anew" choose={choose} open={openPicture} hint="or drop one anywhere, or paste.">
      Brush over what is to go. It is filled with what could be there, several times, and you choose. All other pixels stay exactly as they are.
    </Start>
  );
}

function Result() {
  const { name, pixels } = picture.value;
  const after = `Sample ${chosen.value + 1}`;
  return (
    <Compare key={name} width={pixels.width} height={pixels.height} start={10} beforeLabel="Before" afterLabel={after}
      before={<Pixels class="picture" image={pixels} label="Before" />} after={<Pixels class="picture" image={picked.value.image} label={after} />} />
  );
}
