/* What stands in place of the picture before there is one. */
import { MODEL_ENDINGS, OPENABLE, pickFiles } from '../lib/files.js';
import { report } from '../state/notice.js';
import { fetchSample, samples } from '../state/samples.js';
import { openFile, openFiles } from '../state/session.js';
import { Button } from '../ui/controls.jsx';

export const choose = async () => openFiles(await pickFiles({ accept: OPENABLE, multiple: true }));

/** Names the app and opens what there is to open. */
export function Intro() {
  return (
    <Start title="Turn a photo into tokens" choose={choose} open={openFile}
      hint={<>or drop one anywhere, or paste. A <code>.tess</code> file opens too, and so does a model (<code>{MODEL_ENDINGS.join(' ')}</code>).</>}>
      A small neural codec, running here. It writes a photo as a grid of codebook entries, packs them into a <code>.tess</code> file and paints the photo back.
    </Start>
  );
}

/** A title, a text, and ways to a picture: `choose()` asks for files, `open(file)` takes a sample. */
export function Start({ title, hint, choose, open, children }) {
  const openSample = (sample) => fetchSample(sample).then(open, report);
  return (
    <div class="intro">
      <div class="intro-text">
        <h2>{title}</h2>
        <p>{children}</p>
        <div class="intro-open">
          <Button kind="primary" icon="open" onClick={choose}>Choose a photo</Button>
          <p class="hint">{hint}</p>
        </div>
      </div>
      {samples.length > 0 && (
        <div class="samples">
          <h3>Or start from a sample</h3>
          <ul>
            {samples.map((sample) => {
              const label = sample.name.replace(/\.[^.]+$/, '').replace(/[-_]+/g, ' ');
              return (
                <li key={sample.name}>
                  <button type="button" onClick={() => openSample(sample)} aria-label={`Open the sample ${label}`} title={label}>
                    <img src={sample.url} alt="" loading="lazy" decoding="async" />
                  </button>
                </li>
              );
            })}
          </ul>
        </div>
      )}
      <p class="hint privacy">Nothing leaves this machine: there is no server.</p>
    </div>
  );
}
