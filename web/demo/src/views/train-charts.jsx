/* Live curves of a training run. */
import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { formatFigure } from '../lib/format.js';
import { settings } from '../state/settings.js';
import { codeCounts, history } from '../state/training.js';
import { Chart } from '../ui/chart.jsx';

export function TrainCharts() {
  const log = useSignal(true);
  const h = history.value;
  const last = (column) => formatFigure(column.at(-1));
  const counts = codeCounts.value;
  const ranked = useMemo(() => (counts ? Uint32Array.from(counts).sort().reverse() : new Uint32Array(0)), [counts]);
  const ranks = useMemo(() => Array.from(ranked, (_, i) => i + 1), [ranked]);
  const used = ranked.findLastIndex((count) => count > 0) + 1;
  return (
    <>
      <Chart title="Loss" xLabel="Step" x={h.step} log={log.value} summary={h.step.length ? `At step ${h.step.at(-1)} the total is ${last(h.total)}, from ${formatFigure(h.total[0])} at first.` : 'No steps yet.'}
        series={[{ label: 'total', colour: '--accent', values: h.total }, { label: 'reconstruction', colour: '--second', values: h.reconstruction }, { label: 'commitment', colour: '--third', values: h.commitment }]}>
        <label class="check"><input type="checkbox" checked={log.value} onChange={(event) => (log.value = event.currentTarget.checked)} />log</label>
      </Chart>
      <Chart title="Codebook" xLabel="Step" x={h.step} summary={h.step.length ? `Perplexity ${last(h.perplexity)}, ${last(h.used)} of ${settings.codes.value} codes used.` : 'No steps yet.'}
        series={[{ label: 'perplexity', colour: '--accent', values: h.perplexity }, { label: 'codes used', colour: '--second', values: h.used }]} />
      <Chart title="Use of the codes" xLabel="Rank" x={ranks} bars summary={counts ? `${used} of ${ranked.length} codes are used in the rolling window.` : 'No steps yet.'}
        series={[{ label: 'tokens', colour: '--accent', values: ranked }]} />
      <Chart title="PSNR of the batch" xLabel="Step" x={h.step} summary={h.step.length ? `${last(h.psnr)} decibels.` : 'No steps yet.'} series={[{ label: 'dB', colour: '--accent', values: h.psnr }]} />
    </>
  );
}
