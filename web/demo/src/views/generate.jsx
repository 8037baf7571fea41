/* The Generate tab: pictures made up from words, painted as they settle. */
import { useEffect } from 'preact/hooks';
import { moveCell } from '../ui/cells.js';
import { cancel, chosen, fetching, generate, generator, origin, progress, samples } from '../state/generate.js';
import { Button } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';
import { Progress } from '../ui/progress.jsx';
import { GenerateBlend } from './generate-blend.jsx';
import { GenerateChosen } from './generate-chosen.jsx';
import { GeneratePrompt, GenerateSampling } from './generate-setup.jsx';

export function GenerateView() {
  useEffect(() => {
    if (!samples.value.length) generate();
  }, []);
  return (
    <>
      <section class="stage scroll" aria-label="Made-up pictures" aria-busy={progress.value !== null}>
        {samples.value.length > 0 && generator.value ? <Sheet /> : <Nothing />}
        {progress.value !== null && fetching.value === null && <Progress what="Sampling" part={progress.value} onCancel={cancel} />}
      </section>
      <aside class="panel" aria-label="Generate settings">
        <GeneratePrompt />
        <GenerateChosen />
        <GenerateBlend />
        <GenerateSampling />
      </aside>
    </>
  );
}

function Nothing() {
  if (fetching.value !== null) return <p class="waiting" role="status">The model is on its way{fetching.value > 0 && `: ${Math.round(100 * fetching.value)} %`}.</p>;
  return <p class="waiting"><Button onClick={() => generate()}>Make pictures</Button></p>;
}

/** The samples as buttons in a square: one is chosen at most, arrow keys go from one to the next. */
function Sheet() {
  const count = samples.value.length;
  const columns = Math.ceil(Math.sqrt(count));
  const entry = Math.min(chosen.value ?? 0, count - 1); // where Tab enters
  const onKeyDown = (event) => {
    const at = moveCell(event.key, [...event.currentTarget.children].indexOf(event.target.parentElement), columns, count);
    if (at === undefined) return;
    event.preventDefault();
    event.currentTarget.children[at].firstElementChild.focus();
    if (samples.value[at].image) chosen.value = at;
  };
  return (
    <ul class="sheet" aria-label={origin.value ? 'Variations' : 'Pictures'} style={{ '--columns': columns }} onKeyDown={onKeyDown}>
      {samples.value.map((sample, i) => (
        <li key={i}>
          <button type="button" aria-pressed={chosen.value === i} aria-disabled={!sample.image} tabIndex={i === entry ? 0 : -1} class={sample.done < 1 ? 'raw' : ''}
            aria-label={`Picture ${i + 1} of ${count}${sample.done < 1 ? ', not done' : ''}`} onClick={() => sample.image && (chosen.value = chosen.value === i ? null : i)}>
            {sample.image && <Pixels image={sample.image} />}
          </button>
        </li>
      ))}
    </ul>
  );
}
