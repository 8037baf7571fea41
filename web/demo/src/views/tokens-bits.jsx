/* Where the bits go: the scale of the heat map, and what each level takes. */
import { heat } from '../lib/colour.js';
import { formatBytes, formatFixed, formatPercent } from '../lib/format.js';
import { bits, most, totals } from '../state/bits.js';
import { settings } from '../state/settings.js';
import { Section, Segmented } from '../ui/controls.jsx';

const STOPS = Array.from({ length: 17 }, (_, i) => `rgb(${heat(i / 16).join(' ')})`).join();

export function Bits() {
  const { width, height, levels = 0, bytes } = bits.value ?? {};
  const all = totals.value.reduce((sum, b) => sum + b, 0), places = width * height;
  const rows = totals.value.map((sum, l) => [String(l + 1), sum]);
  return (
    <Section title="Where the bits go">
      {levels > 1 && <Segmented label="Bits of" value={settings.bits.value} onChange={(value) => (settings.bits.value = value)} options={[['all', 'All levels'], ['level', 'This level']]} />}
      <div class="scale" role="img" aria-label={`Colours from dark, 0 bit, to light, ${formatFixed(most.value, 1)} bit or more at a place`}>
        <i style={{ background: `linear-gradient(to right, ${STOPS})` }} />
        <span>0</span><span>{formatFixed(most.value / 2, 1)}</span><span>≥ {formatFixed(most.value, 1)} bit</span>
      </div>
      {bits.value ? (
        <table class="totals">
          <thead><tr><th scope="col">Level</th><th scope="col">Size</th><th scope="col">Per token</th><th scope="col">Share</th></tr></thead>
          <tbody>
            {rows.map(([name, sum]) => <tr key={name}><th scope="row">{name}</th><td>{formatBytes(Math.round(sum / 8))}</td><td>{formatFixed(sum / places)} bit</td><td>{formatPercent(sum / 8 / bytes)}</td></tr>)}
            <tr><th scope="row">Other</th><td>{formatBytes(bytes - Math.round(all / 8))}</td><td /><td>{formatPercent(1 - all / 8 / bytes)}</td></tr>
          </tbody>
          <tfoot><tr><th scope="row">File</th><td>{formatBytes(bytes)}</td><td>{formatFixed((8 * bytes) / places)} bit</td><td>100 %</td></tr></tfoot>
        </table>
      ) : <p class="hint">They are being counted.</p>}
    </Section>
  );
}
