/* Fine-tuning: held-out pictures of the user's by the model as it was and as it is. */
import { formatCount, formatFixed, formatPercent } from '../lib/format.js';
import { dataset } from '../state/dataset.js';
import { latest } from '../state/figures.js';
import { packing } from '../state/product.js';
import { gain, measureGain } from '../state/tuning.js';
import { Button } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

export function Tuned() {
  const held = dataset.value?.held?.length ?? 0, at = gain.value;
  return (
    <section class="card tuned" aria-labelledby="tuned-title">
      <h2 id="tuned-title">Before and after, at equal bits</h2>
      {!held && <p class="hint">Take five pictures or more: every fifth one is held out to show what was gained.</p>}
      {at?.total && <p class="hint" role="status">Measuring: {at.rows.length} of {at.total} pictures…</p>}
      {at?.saved !== undefined && <Summary {...at} />}
      {at?.rows.length > 0 && <Rows {...at} />}
      {held > 0 && !at?.total && (
        <p><Button disabled={!latest.value || packing.value} onClick={measureGain}>{at ? 'Measure again' : 'Measure on held-out pictures'}</Button></p>
      )}
    </section>
  );
}

const figures = (point) => [formatFixed(point.bpp, 3), formatFixed(point.psnr, 2), formatFixed(point.lpips, 4)];

function Summary({ step, rows, before, after, saved }) {
  const better = saved >= 0 ? `${formatPercent(saved, 1)} fewer bits at the PSNR of before` : `${formatPercent(-saved, 1)} more bits at the PSNR of before`;
  const lpips = after.lpips / before.lpips - 1;
  return <p data-figure="gain"><strong>{better}; LPIPS {formatPercent(Math.abs(lpips), 1)} {lpips <= 0 ? 'lower' : 'higher'}</strong> at step {formatCount(step)}, on {rows.length} held-out {rows.length === 1 ? 'picture' : 'pictures'}. Lower LPIPS looks nearer to the original. Figures in bold are those after.</p>;
}

function Rows({ rows, before, after }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Before and after, table">
      <table>
        <thead>
          <tr><th scope="col">Original</th><th scope="col">Before</th><th scope="col">After</th><th scope="col">bpp</th><th scope="col">PSNR, dB</th><th scope="col">LPIPS</th></tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              <td><Pixels image={row.original} label={`Held-out picture ${i + 1}`} /></td>
              <td><Pixels image={row.before.image} label={`Picture ${i + 1} by the model as it was`} /></td>
              <td><Pixels image={row.after.image} label={`Picture ${i + 1} by the tuned model`} /></td>
              {figures(row.before).map((text, j) => <td key={j}>{text}<br /><b>{figures(row.after)[j]}</b></td>)}
            </tr>
          ))}
        </tbody>
        {after && (
          <tfoot>
            <tr><th scope="row" colSpan={3}>Mean before<br />Mean after</th>{figures(before).map((text, j) => <td key={j}>{text}<br />{figures(after)[j]}</td>)}</tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}
