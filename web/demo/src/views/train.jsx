/* The Train tab: a net that learns in front of your eyes. */
import { sets } from '../lib/dataset.js';
import { perplexity } from '../lib/code-patches.js';
import { formatCount, formatFigure, formatFixed, formatPercent, formatTime } from '../lib/format.js';
import { dropSaved, offer, saved } from '../state/checkpoint.js';
import { ownFiles } from '../state/dataset.js';
import { latest } from '../state/figures.js';
import { codeCounts } from '../state/looks.js';
import { exportCheckpoint, exportModel, packing, useModel } from '../state/product.js';
import { chooseData, presets } from '../state/recipe.js';
import { active, phase, run, stage } from '../state/run.js';
import { settings } from '../state/settings.js';
import { pause, reset, resumeSaved, start, stepOnce } from '../state/training.js';
import { Button, Figures, NumberBox, Section } from '../ui/controls.jsx';
import { choosePictures } from './choose.js';
import { TrainAtlas } from './train-atlas.jsx';
import { TrainCharts } from './train-charts.jsx';
import { Dials, Warning } from './train-dials.jsx';
import { Looks } from './train-looks.jsx';
import { Setup } from './train-setup.jsx';
import { Tuned } from './train-tuned.jsx';

export function TrainView() {
  return (
    <>
      <section class="stage scroll" aria-label="Training">
        {offer.value && <Offer />}
        {active.value || phase.value === 'loading' ? <Dashboard /> : <Welcome />}
      </section>
      <aside class="panel" aria-label="Training settings">
        <Run />
        <Setup />
        <Keep />
      </aside>
    </>
  );
}

function Offer() {
  const { step, steps, label } = offer.value;
  return (
    <div class="offer" role="region" aria-label="Saved training">
      <p><strong>A training run is saved on this machine.</strong><span>{label}, step {formatCount(step)} of {formatCount(steps)}</span></p>
      <Button kind="primary" onClick={resumeSaved}>Resume</Button>
      <Button onClick={dropSaved}>Discard</Button>
    </div>
  );
}

function Welcome() {
  const own = settings.data.value === 'own' ? ownFiles.value.length : 0;
  const startWith = (name) => () => {
    if (settings.data.value !== name) chooseData(name);
    return start();
  };
  return (
    <div class="intro train-intro">
      <div class="sheets" aria-hidden="true"><i class="digits" /><i class="avatars" /><i class="emoji" /></div>
      <div class="intro-text">
        <h2>Train one yourself</h2>
        <p>A net learns to write each picture as a few dozen tokens. It takes a minute or two, in this page. You see the loss fall, the reconstructions sharpen and the codebook fill. With a discriminator that judges them it becomes a VQGAN.</p>
        <div class="intro-open">
          {own > 0 && <Button kind="primary" icon="play" onClick={start}>Train on {own} pictures</Button>}
          {Object.entries(sets).map(([name, { noun }], i) => <Button key={name} kind={!own && !i ? 'primary' : 'plain'} icon="play" onClick={startWith(name)}>Train on {noun}</Button>)}
          {!own && <Button icon="open" onClick={choosePictures}>Use your own pictures</Button>}
        </div>
        <p class="hint">{Object.values(sets).map(({ credit }) => credit).join(' ')}</p>
      </div>
    </div>
  );
}

function Dashboard() {
  if (phase.value === 'loading') return <p class="waiting" role="status">{stage.value}</p>;
  return (
    <div class="dashboard">
      <Warning />
      <Looks />
      {presets[run.value.preset]?.init && <Tuned />}
      <TrainCharts />
      <TrainAtlas />
    </div>
  );
}

function Run() {
  const now = latest.value, state = phase.value;
  const total = run.value?.steps ?? 0;
  const part = total ? Math.min(1, (now?.step ?? 0) / total) : 0;
  const counts = codeCounts.value;
  const codes = counts && counts.length * (run.value?.config.quantizer.levels ?? 1); // of all levels, as the trainer counts those in use
  return (
    <Section title="Run">
      <div class="transport" role="group" aria-label="Training">
        {state === 'running'
          ? <Button kind="primary" icon="pause" onClick={pause}>Pause</Button>
          : <Button kind="primary" icon="play" disabled={state === 'loading' || state === 'done'} onClick={start}>{state === 'done' ? 'Done' : state === 'paused' && now ? 'Resume' : 'Start'}</Button>}
        <Button icon="step" label="One step" disabled={state === 'running' || state === 'loading' || state === 'done'} onClick={stepOnce} />
        <Button icon="reset" disabled={!active.value} onClick={reset}>Reset</Button>
      </div>
      <div class="bar" role="progressbar" aria-label="Training" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(100 * part)}><i style={{ width: `${100 * part}%` }} /></div>
      <Figures rows={[
        ['Step', now ? `${formatCount(now.step)} / ${formatCount(total)}` : '–'],
        ['Steps/s', formatFixed(1000 / now?.msPerStep, 1), 'Training steps per second'],
        ['Time left', state === 'done' ? 'done' : formatTime(now?.etaMs)],
        ['Loss', formatFigure(now?.loss.total), 'Sum of all parts'],
        ['PSNR', now?.psnr === undefined ? '–' : `${formatFixed(now.psnr, 1)} dB`, 'Of the last batch'],
        ['Codes used', now && codes ? `${formatCount(now.used)} (${formatPercent(now.used / codes)})` : '–', 'Over the rolling window'],
        ['Perplexity', counts ? formatFixed(perplexity(counts), 0) : '–', 'Of the first level’s codes over the rolling window: as many in equal use would carry as much'],
        ...(run.value?.config.train.adversarial ? [['Phase', now?.gan ? '2, judged' : `1, to ${formatCount(run.value.config.train.adversarial.from ?? 0)}`, 'In phase 2 a discriminator judges the reconstructions'],
          ['D right', formatPercent(now?.gan?.accuracy), 'Share of pictures and reconstructions that the discriminator tells apart']] : []),
      ]} />
      <Dials />
    </Section>
  );
}

function Keep() {
  const { keep } = settings;
  const early = !latest.value || packing.value;
  const mark = saved.value;
  return (
    <Section title="Keep">
      <div class="boxes">
        <NumberBox label="Checkpoint every" value={keep.value} min={5} max={10000} onChange={(x) => (keep.value = x)} />
        <p class="hint wide" data-figure="saved">
          {mark?.error ? `No checkpoint on this machine: ${mark.error}` : mark ? `Checkpoint of step ${formatCount(mark.step)} is on this machine (${mark.kind}). It survives a reload and a crash.` : 'steps, and on pause: the run survives a reload and a crash.'}
        </p>
      </div>
      {active.value && (
        <div class="actions">
          <Button kind="primary" icon="arrow" disabled={early} onClick={useModel}>{packing.value ? 'Packing the model…' : 'Use in Compress'}</Button>
          <Button icon="save" disabled={early} onClick={exportModel}>Model</Button>
          <Button icon="save" disabled={early} onClick={exportCheckpoint}>Checkpoint</Button>
        </div>
      )}
    </Section>
  );
}
