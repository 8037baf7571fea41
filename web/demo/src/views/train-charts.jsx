/* Live curves of a training run. */
import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { perplexity } from '../lib/code-patches.js';
import { formatFigure, formatPercent } from '../lib/format.js';
import { history } from '../state/figures.js';
import { codeCounts } from '../state/looks.js';
import { run } from '../state/run.js';
import { Chart } from '../ui/chart.jsx';

/** Terms of the loss: column, label, colour. Those that a run does not have are left out. */
const TERMS = [
  ['total', 'total', '--accent'], ['reconstruction', 'image', '--second'], ['l1', 'L1', '--third'], ['l2', 'L2', '--fourth'], ['msSsim', 'MS-SSIM', '--fifth'],
  ['perceptual', 'LPIPS', '--sixth'], ['commitment', 'commitment', '--seventh'], ['entropy', 'entropy', '--fifth'],
];
const ADVERSARY = [['discriminator', 'discriminator', '--accent'], ['generator', 'generator', '--second'], ['features', 'features', '--third']];

const seriesOf = (h, list) => list.filter(([name]) => h[name].some((x) => x !== null && x !== 0)).map(([name, label, colour]) => ({ label, colour, values: h[name] }));

export function TrainCharts() {
  const log = useSignal(true);
  const h = history.value;
  const last = (name) => formatFigure(h[name].at(-1));
  const counts = codeCounts.value;
  const ranked = useMemo(() => (counts ? Uint32Array.from(counts).sort().reverse() : new Uint32Array(0)), [counts]);
  const ranks = useMemo(() => Array.from(ranked, (_, i) => i + 1), [ranked]);
  const used = ranked.findLastIndex((count) => count > 0) + 1;
  const any = h.step.length > 0;
  const judged = Boolean(run.value.config.train.adversarial);
  const none = any ? '' : 'No steps yet.';
  const wait = none || (h.discriminator.at(-1) === null ? 'The discriminator has not begun.' : '');
  return (
    <>
      <Chart title="Loss" xLabel="Step" x={h.step} log={log.value} summary={none || `At step ${h.step.at(-1)} the total is ${last('total')}, from ${formatFigure(h.total[0])} at first.`} series={seriesOf(h, TERMS)}>
        <label class="check"><input type="checkbox" checked={log.value} onChange={(event) => (log.value = event.currentTarget.checked)} />log</label>
      </Chart>
      {judged && (
        <>
          <Chart title="Adversary" xLabel="Step" x={h.step} signed summary={wait || `Discriminator ${last('discriminator')}, generator ${last('generator')}.`} series={ADVERSARY.map(([name, label, colour]) => ({ label, colour, values: h[name] })).filter(({ label, values }) => label !== 'features' || values.some(Boolean))} />
          <Chart title="Discriminator’s scores" xLabel="Step" x={h.step} signed summary={wait || `Pictures ${last('real')}, reconstructions ${last('fake')}.`}
            series={[{ label: 'pictures', colour: '--accent', values: h.real }, { label: 'reconstructions', colour: '--second', values: h.fake }]} />
          <Chart title="Discriminator’s accuracy" xLabel="Step" x={h.step} summary={wait || `${formatPercent(h.accuracy.at(-1))} are told apart; half is a guess.`} series={[{ label: 'right', colour: '--accent', values: h.accuracy }]} />
          <Chart title="Adaptive weight" xLabel="Step" x={h.step} log={log.value} summary={wait || `${last('weight')}.`} series={[{ label: 'weight', colour: '--accent', values: h.weight }]} />
        </>
      )}
      <Chart title="Codebook" xLabel="Step" x={h.step} summary={none || `Perplexity ${last('perplexity')}, ${last('used')} codes used.`}
        series={[{ label: 'perplexity', colour: '--accent', values: h.perplexity }, { label: 'codes used', colour: '--second', values: h.used }]} />
      {counts && (
        <Chart title="Use of the codes" xLabel="Rank" x={ranks} bars summary={`${used} of ${ranked.length} codes are used in the rolling window, perplexity ${formatFigure(perplexity(ranked))}.`}
          series={[{ label: 'tokens', colour: '--accent', values: ranked }]} />
      )}
      <Chart title="PSNR of the batch" xLabel="Step" x={h.step} summary={none || `${last('psnr')} decibels.`} series={[{ label: 'dB', colour: '--accent', values: h.psnr }]} />
      <Chart title="Learning rate" xLabel="Step" x={h.step} summary={none || `${last('lr')}.`} series={[{ label: 'rate', colour: '--accent', values: h.lr }]} />
    </>
  );
}
