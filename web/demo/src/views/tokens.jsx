/* The Tokens tab: the open picture as codes, the code in focus, painting, where the bits go, and the codebook. */
import { computed } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { saveBlob } from '../lib/files.js';
import { formatCount, formatFixed, formatPercent, withExtension } from '../lib/format.js';
import { writePng } from '../lib/pictures.js';
import { codec, getCodec } from '../state/codec.js';
import { report } from '../state/notice.js';
import { redo, undo } from '../state/painting.js';
import { running, source } from '../state/session.js';
import { settings } from '../state/settings.js';
import { book, codes, grid, level, order, patches, usage } from '../state/tokens.js';
import { Chart } from '../ui/chart.jsx';
import { Button, Choice, Figures, Section, Segmented } from '../ui/controls.jsx';
import { Atlas, atlasImage } from './atlas.jsx';
import { Intro } from './intro.jsx';
import { TokenMap } from './token-map.jsx';
import { Bits } from './tokens-bits.jsx';
import { Inspector } from './tokens-code.jsx';
import { Paint } from './tokens-paint.jsx';

export function TokensView() {
  useEffect(() => {
    getCodec().catch(report);
    document.addEventListener('keydown', undoKey);
    return () => document.removeEventListener('keydown', undoKey);
  }, []);
  return (
    <>
      <section class="stage" aria-label="Token picture" style={source.value && { '--tall': source.value.height / source.value.width }}>
        {grid.value && codes.value ? <TokenMap /> : source.value ? <Waiting /> : <Intro />}
      </section>
      <aside class="panel" aria-label="Codebook">
        <Level />
        {settings.paint.value === 'bits' && <Bits />}
        <Inspector />
        {codes.value && <Paint />}
        <Section title="Codebook">
          {book.value ? <Atlas /> : <p class="hint">The model is loading.</p>}
          <Segmented label="Order" value={settings.order.value} onChange={(value) => (settings.order.value = value)} options={[['index', 'By index'], ['use', 'By use']]} />
        </Section>
        {usage.value && <Histogram />}
        {usage.value && <Downloads />}
      </aside>
    </>
  );
}

/** Ctrl+Z takes a stroke back, with Shift, or Ctrl+Y, it is painted again. */
function undoKey(event) {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== 'z' && key !== 'y') || event.target.matches('input:not([type=radio], [type=range])')) return;
  event.preventDefault();
  if (key === 'y' || event.shiftKey) redo();
  else undo();
}

function Waiting() {
  return <p class="waiting">{running.value ? 'The tokens are on their way.' : grid.value ? `At this size the file has ${grid.value.levels} of ${book.value?.levels} levels; this one is empty.` : 'There are no tokens to show.'}</p>;
}

function Level() {
  const levels = book.value?.levels ?? 1;
  const names = Array.from({ length: levels }, (_, i) => [String(i), `${i + 1}${i === 0 && levels > 1 ? ' (coarse)' : i === levels - 1 && levels > 1 ? ' (fine)' : ''}`]);
  const now = usage.value;
  return (
    <Section title="Tokens">
      {levels > 1 && <Choice label="Level" value={String(level.value)} options={names} onChange={(value) => (settings.level.value = Number(value))} />}
      <Segmented label="Show" value={settings.paint.value} onChange={(value) => (settings.paint.value = value)} options={[['code', 'Codes'], ['patch', 'Colours'], ['picture', 'Picture'], ['bits', 'Bits']]} />
      <Figures rows={[
        ['Codes', formatCount(book.value?.size), 'Entries of this level'],
        ['Dimension', formatCount(book.value?.dim), 'Length of a code vector'],
        ['Used here', now ? `${now.used}` : '–', 'Codes that this picture uses at least once'],
        ['Perplexity', formatFixed(now?.perplexity, 1), 'Evenly used codes that would carry as much'],
        ['Entropy', now ? `${formatFixed(now.bits)} bit` : '–', 'Per token, before any context'],
        ['Tokens', grid.value ? `${grid.value.width}×${grid.value.height}` : '–', 'Columns and rows'],
      ]} />
    </Section>
  );
}

const ranked = computed(() => (usage.value ? Uint32Array.from(usage.value.counts).sort().reverse().subarray(0, 2048) : new Uint32Array(0)));

function Histogram() {
  const { used, counts } = usage.value;
  const x = Array.from(ranked.value, (_, i) => i + 1);
  return (
    <Chart title="Use of the codes" xLabel="Rank" x={x} bars series={[{ label: 'tokens', colour: '--accent', values: ranked.value }]}
      summary={`${used} of ${counts.length} codes are used; the most frequent one ${ranked.value[0]} times.`} />
  );
}

function Downloads() {
  const name = (extension) => withExtension(source.value.name, extension);
  const savePng = () =>
    writePng(atlasImage(patches.value.list, order.value)).then((blob) => saveBlob(blob, `codebook-level-${level.value + 1}.png`), (error) => report(error));
  const saveCsv = () => {
    const rows = Array.from(usage.value.counts, (count, code) => `${code},${count}`);
    saveBlob(new Blob([['code,count', ...rows].join('\n'), '\n'], { type: 'text/csv' }), name(`.level-${level.value + 1}.csv`));
  };
  const saveJson = () => saveBlob(new Blob([JSON.stringify({ model: codec.value.model.hash, ...grid.value.toJSON() })], { type: 'application/json' }), name('.tokens.json'));
  return (
    <Section title="Save">
      <div class="actions">
        <Button onClick={saveJson}>Tokens JSON</Button>
        <Button onClick={saveCsv}>Use CSV</Button>
        <Button onClick={savePng} disabled={!patches.value.done}>Atlas PNG</Button>
      </div>
    </Section>
  );
}
