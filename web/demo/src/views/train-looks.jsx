/* Held-out pictures before and after, now or at an earlier moment. */
import { formatCount } from '../lib/format.js';
import { dataset } from '../state/dataset.js';
import { latest } from '../state/figures.js';
import { looks } from '../state/looks.js';
import { back, lastMoment, moments, past } from '../state/timeline.js';
import { Slider } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

const SHOWN = 12;

export function Looks() {
  const pairs = looks.value.slice(0, SHOWN);
  const then = past.value;
  return (
    <section class="card looks" aria-labelledby="looks-title">
      <h2 id="looks-title">{dataset.value?.held?.length === 0 ? 'Pictures' : 'Held-out pictures'}, before and after</h2>
      {pairs.length === 0 ? <p class="hint">They come with the first steps.</p> : (
        <ul>
          {pairs.map(({ input, output }, i) => (
            <li key={i}>
              <Pixels image={input} label={`Picture ${i + 1}`} />
              <Pixels image={then?.images[i] ?? output} label={`Picture ${i + 1}, reconstructed${then ? ` at step ${then.step}` : ''}`} />
            </li>
          ))}
        </ul>
      )}
      {lastMoment.value > 0 && <Scrubber />}
    </section>
  );
}

/** Moves through the moments kept; at its right end it follows the run. */
function Scrubber() {
  const last = lastMoment.value;
  const at = back.value ?? last;
  const format = (i) => (back.value === null ? `now, step ${formatCount(latest.value?.step)}` : `step ${formatCount(moments.value[i]?.step)}`);
  return <Slider label="Look back" value={at} min={0} max={last} format={format} onInput={(i) => (back.value = i >= last ? null : i)} />;
}
