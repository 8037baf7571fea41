/* The Train tab: a small VQ-VAE that learns in front of your eyes. */
import { pickFiles } from '../lib/files.js';
import { formatCount, formatFigure, formatFixed, formatPercent, formatTime } from '../lib/format.js';
import { settings, rangeOf } from '../state/settings.js';
import {
  active, chooseOwn, codeCounts, dataset, dropSaved, exportCheckpoint, exportModel, latest, looks, offer, ownFiles, packing, pause, phase, reset,
  resumeSaved, saved, setRate, setSide, start, stepOnce, useModel,
} from '../state/training.js';
import { Button, Figures, NumberBox, Section, Segmented, Slider } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';
import { TrainCharts } from './train-charts.jsx';

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
  return (
    <div class="intro train-intro">
      <img src="./digits.png" alt="A sheet of handwritten digits" class="digits" />
      <div class="intro-text">
        <h2>Train one yourself</h2>
        <p>A VQ-VAE learns to write each digit as a few dozen tokens. It takes a minute or two, in this page. You see the loss fall, the reconstructions sharpen and the codebook fill.</p>
        <div class="intro-open">
          <Button kind={own ? 'plain' : 'primary'} icon="play" onClick={startDigits}>Train on digits</Button>
          {own ? <Button kind="primary" icon="play" onClick={start}>Train on {own} pictures</Button> : <Button icon="open" onClick={choosePictures}>Use your own pictures</Button>}
        </div>
        <p class="hint">Handwritten digits: MNIST, Y. LeCun, C. Cortes, C. Burges, CC BY‑SA 3.0.</p>
      </div>
    </div>
  );
}

function startDigits() {
  if (settings.data.value !== 'digits') {
    settings.data.value = 'digits';
    setSide(32);
  }
  return start();
}

const choosePictures = async () => {
  const files = await pickFiles({ accept: 'image/*', multiple: true });
  if (files.length) chooseOwn(files);
};

function Dashboard() {
  if (phase.value === 'loading') return <p class="waiting" role="status">Reading the pictures and building the net…</p>;
  return (
    <div class="dashboard">
      <Reconstructions />
      <TrainCharts />
    </div>
  );
}

function Reconstructions() {
  const pairs = looks.value;
  return (
    <section class="card looks" aria-labelledby="looks-title">
      <h2 id="looks-title">Held-out pictures, before and after</h2>
      {pairs.length === 0 ? <p class="hint">They come with the first steps.</p> : (
        <ul>
          {pairs.map(({ input, output }, i) => (
            <li key={i}>
              <Pixels image={input} label={`Picture ${i + 1}`} />
              <Pixels image={output} label={`Picture ${i + 1}, reconstructed`} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Run() {
  const now = latest.value, state = phase.value;
  const total = active.value || state === 'loading' ? settings.steps.value : 0;
  const part = total ? Math.min(1, (now?.step ?? 0) / total) : 0;
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
        ['Codes used', now ? `${formatCount(now.used)} (${formatPercent(now.used / settings.codes.value)})` : '–', 'Over the rolling window'],
      ]} />
      <Slider label="Learning rate" value={settings.lr.value} min={rangeOf('lr').min} max={rangeOf('lr').max} scale="log" format={formatFigure} hint={active.value ? 'Takes effect at once.' : undefined}
        onInput={(x) => setRate(Number(x.toPrecision(2)))} />
    </Section>
  );
}

function Setup() {
  const fixed = phase.value !== 'empty';
  const { data, batch, steps, codes, seed } = settings;
  const box = (label, name, setting) => <NumberBox label={label} value={setting.value} min={rangeOf(name).min} max={rangeOf(name).max} disabled={fixed} onChange={(x) => (setting.value = x)} />;
  return (
    <Section title="Set-up">
      <Segmented label="Pictures" value={data.value} disabled={fixed} onChange={(value) => { data.value = value; setSide(value === 'own' ? 64 : 32); }} options={[['digits', 'Digits'], ['own', 'Your pictures']]} />
      {data.value === 'own' && !fixed && (
        <div class="own">
          <Button icon="open" onClick={choosePictures}>Choose pictures</Button>
          <p class="hint">{ownFiles.value.length ? `${ownFiles.value.length} chosen.` : 'Or drop them here.'}</p>
        </div>
      )}
      <div class="boxes">
        {box('Codes', 'codes', codes)}
        {box('Batch', 'batch', batch)}
        {box('Steps', 'steps', steps)}
        {box('Seed', 'seed', seed)}
        <Sizes fixed={fixed} />
      </div>
      {fixed && <p class="hint">{dataset.value ? `${dataset.value.label}. ` : ''}Reset to change these.</p>}
    </Section>
  );
}

function Sizes({ fixed }) {
  const { side } = settings;
  return (
    <div class="box">
      <label for="side">Crop</label>
      <select id="side" value={side.value} disabled={fixed} onChange={(event) => setSide(Number(event.currentTarget.value))}>
        {[32, 64, 96, 128].map((pixels) => <option key={pixels} value={pixels}>{pixels} px</option>)}
      </select>
    </div>
  );
}

function Keep() {
  if (!active.value) return null;
  const early = !latest.value || packing.value;
  const mark = saved.value;
  return (
    <Section title="Keep">
      <p class="hint" data-figure="saved">
        {mark?.error ? `No checkpoint on this machine: ${mark.error}` : mark ? `Checkpoint of step ${formatCount(mark.step)} is on this machine (${mark.kind}). It survives a reload.` : 'A checkpoint is written every 20 seconds and on pause.'}
      </p>
      <div class="actions">
        <Button kind="primary" icon="arrow" disabled={early} onClick={useModel}>{packing.value ? 'Packing the model…' : 'Use in Compress'}</Button>
        <Button icon="save" disabled={early} onClick={exportModel}>Model</Button>
        <Button icon="save" disabled={early} onClick={exportCheckpoint}>Checkpoint</Button>
      </div>
    </Section>
  );
}
