/* What to train, on what, and the config that comes of it. */
import { useId } from 'preact/hooks';
import { largestCrop, sets } from '../lib/dataset.js';
import { dataset, ownFiles } from '../state/dataset.js';
import { chooseData, choosePreset, configText, fault, presets, setSide, written } from '../state/recipe.js';
import { phase } from '../state/run.js';
import { rangeOf, settings } from '../state/settings.js';
import { Button, Choice, NumberBox, Section, Slider } from '../ui/controls.jsx';
import { chooseFolder, choosePictures } from './choose.js';

export function Setup() {
  const fixed = phase.value !== 'empty';
  const byHand = written.value !== null;
  const { preset, data, side, batch, steps, codes, seed, lr, perceptual } = settings;
  const { about, own, init } = presets[preset.value];
  const box = (label, name, setting, shut = false) => <NumberBox label={label} value={setting.value} min={rangeOf(name).min} max={rangeOf(name).max} disabled={fixed || byHand || shut} onChange={(x) => (setting.value = x)} />;
  const crops = [32, 64, 96, 128, 192].filter((pixels) => pixels <= largestCrop(data.value) || data.value === 'own').filter((pixels) => !own || pixels > 64);
  return (
    <Section title="Set-up">
      <Choice label="What to train" value={preset.value} disabled={fixed} onChange={choosePreset} options={Object.entries(presets).map(([key, { label }]) => [key, label])} />
      <p class="hint">{about}</p>
      <Choice label="Pictures" value={data.value} disabled={fixed} onChange={chooseData} options={[...Object.entries(sets).map(([key, { label }]) => [key, label]), ['own', 'Your pictures']]} />
      {data.value === 'own' && !fixed && (
        <div class="own">
          <Button icon="open" onClick={chooseFolder}>Folder</Button>
          <Button icon="picture" onClick={choosePictures}>Pictures</Button>
          <p class="hint">{ownFiles.value.length ? `${ownFiles.value.length} chosen.` : 'Or drop them.'}</p>
        </div>
      )}
      <div class="boxes">
        {box('Codes', 'codes', codes, Boolean(init))}
        {box('Batch', 'batch', batch)}
        {box('Steps', 'steps', steps)}
        {box('Seed', 'seed', seed)}
        <Choice label="Crop" value={String(side.value)} disabled={fixed || byHand} onChange={(text) => setSide(Number(text))} options={crops.map((pixels) => [String(pixels), `${pixels} px`])} />
      </div>
      {!fixed && !byHand && (
        <>
          <Slider label="Learning rate" value={lr.value} min={rangeOf('lr').min} max={rangeOf('lr').max} scale="log" format={(x) => String(Number(x.toPrecision(2)))} onInput={(x) => (lr.value = Number(x.toPrecision(2)))} />
          <Slider label="Perceptual loss (LPIPS)" value={perceptual.value} min={0} max={2} step={0.05} format={(x) => (x ? x.toFixed(2) : 'off')} onInput={(x) => (perceptual.value = x)}
            hint={perceptual.value ? 'Fetches a feature net of 1.5 MB, once; steps take longer.' : undefined} />
        </>
      )}
      <ConfigEditor fixed={fixed} />
      {fixed && <p class="hint">{dataset.value ? `${dataset.value.label}. ` : ''}Reset to change these.</p>}
    </Section>
  );
}

/** The config as JSON: the preset's until something is written there. */
function ConfigEditor({ fixed }) {
  const id = useId();
  const wrong = fault.value;
  return (
    <details class="editor" open={written.value !== null || undefined}>
      <summary>Config as JSON</summary>
      <label for={id} class="visually-hidden">Config as JSON</label>
      <textarea id={id} rows={16} spellcheck={false} autocapitalize="off" autocomplete="off" wrap="off" readOnly={fixed} value={configText.value} aria-invalid={Boolean(wrong)} aria-describedby={`${id}-fault`}
        onInput={(event) => (written.value = event.currentTarget.value)} />
      <p id={`${id}-fault`} class={`hint${wrong ? ' wrong' : ''}`} role="status">
        {written.value === null ? 'The config of the figures above. Write here and it rules.' : wrong === null ? 'Checking…' : wrong || 'This config is fine.'}
      </p>
      {written.value !== null && !fixed && <Button onClick={() => (written.value = null)}>Back to the preset</Button>}
    </details>
  );
}
