/* What can be turned while it trains, and what to do when something goes wrong. */
import { formatFigure } from '../lib/format.js';
import { dials, halve, restartCodes, turn } from '../state/dials.js';
import { warning } from '../state/figures.js';
import { Button, Slider } from '../ui/controls.jsx';

const RATE = { min: 1e-5, max: 0.05, scale: 'log' };
const linear = (max) => ({ min: 0, max, step: max / 200 });

/** name -> label and range; in this order. Learning rates stand first and open. */
const knobs = {
  l1: ['L1', linear(4)],
  l2: ['L2', linear(4)],
  msSsim: ['MS-SSIM', linear(2)],
  perceptual: ['Perceptual (LPIPS)', linear(2)],
  commitment: ['Commitment', linear(1)],
  entropy: ['Entropy', linear(1)],
  adversarial: ['Adversary', linear(1)],
  features: ['Feature matching', linear(4)],
};

const two = (x) => Number(x.toPrecision(2));

export function Dials() {
  const at = dials.value;
  if (!at) return null;
  const knob = (name, label, range) => <Slider key={name} label={label} value={Math.min(range.max, Math.max(range.min, at[name]))} {...range} format={formatFigure} onInput={(x) => turn(name, two(x))} />;
  const weights = Object.entries(knobs).filter(([name]) => name in at);
  return (
    <>
      {knob('lr', 'Learning rate', RATE)}
      {'judgeLr' in at && knob('judgeLr', 'Discriminator’s learning rate', RATE)}
      <details class="dials">
        <summary>Weights of the losses</summary>
        {weights.map(([name, [label, range]]) => knob(name, label, range))}
        <p class="hint">They take effect at once.</p>
      </details>
    </>
  );
}

/** The trainer's warning with what can be done about it here. */
export function Warning() {
  const text = warning.value;
  if (!text) return null;
  const cures = [
    [/codes of level/, 'Restart dead codes', restartCodes],
    [/apart for/, 'Halve the discriminator’s rate', () => halve('judgeLr')],
    [/wrong about/, 'Halve the adversary’s weight', () => halve('adversarial')],
    [/skipped/, 'Halve the learning rate', () => halve('lr')],
  ].filter(([sign]) => sign.test(text));
  return (
    <div class="warning" role="status">
      <p>{text}</p>
      {cures.map(([, label, cure]) => <Button key={label} onClick={cure}>{label}</Button>)}
    </div>
  );
}
