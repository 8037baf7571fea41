/* Filling the mask, the samples that came of it, and how they are drawn. */
import { saveBlob } from '../lib/files.js';
import { share } from '../state/editing.js';
import { chosen, compress, fileOnView, fill, fillOtherwise, keep, picked, samples } from '../state/inpaint.js';
import { notify, report } from '../state/notice.js';
import { rangeOf, settings } from '../state/settings.js';
import { moveCell } from '../ui/cells.js';
import { Button, NumberBox, Section, Slider } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

export function InpaintFill() {
  const empty = !share.value;
  const save = () => fileOnView().then((file) => saveBlob(file, file.name), (error) => report(error, 'The PNG could not be made'));
  const keepIt = () => {
    keep();
    requestAnimationFrame(() => document.querySelector('.surface')?.focus({ preventScroll: true })); // this button goes
  };
  return (
    <Section title="Fill">
      <div class="actions">
        <Button kind="primary" icon="play" disabled={empty} onClick={fill}>Fill the mask</Button>
        <Button icon="reset" disabled={empty} onClick={fillOtherwise}>Other seed</Button>
        <Button icon="copy" onClick={copyLink}>Copy link</Button>
      </div>
      {empty && <p class="hint">Brush over what is to be painted anew.</p>}
      {samples.value.length > 0 && <Samples />}
      {samples.value.length > 0 && <div class="actions"><Button icon="keep" disabled={!picked.value} onClick={keepIt}>Keep this one</Button></div>}
      <div class="actions">
        <Button icon="picture" onClick={save}>PNG</Button>
        <Button icon="arrow" onClick={compress}>Compress</Button>
      </div>
    </Section>
  );
}

/** The samples as buttons: one is on view at most, arrow keys go from one to the next. */
function Samples() {
  const list = samples.value;
  const columns = Math.min(4, list.length);
  const entry = Math.min(chosen.value ?? 0, list.length - 1); // where Tab enters
  const onKeyDown = (event) => {
    const at = moveCell(event.key, [...event.currentTarget.children].indexOf(event.target.parentElement), columns, list.length);
    if (at === undefined) return;
    event.preventDefault();
    event.currentTarget.children[at].firstElementChild.focus();
    chosen.value = at;
  };
  return (
    <ul class="fills" aria-label="Samples" onKeyDown={onKeyDown}>
      {list.map(({ seed, thumb }, i) => (
        <li key={i}>
          <button type="button" aria-pressed={chosen.value === i} tabIndex={i === entry ? 0 : -1} title={`Seed ${seed}`} aria-label={`Sample ${i + 1} of ${list.length}`}
            onClick={() => (chosen.value = chosen.value === i ? null : i)}>
            <Pixels image={thumb} />
          </button>
        </li>
      ))}
    </ul>
  );
}

export function InpaintSampling() {
  const { samples: count, heat, chance } = settings;
  const range = (name) => ({ min: rangeOf(name).min, max: rangeOf(name).max, value: settings[name].value });
  return (
    <Section title="Sampling">
      <Slider label="Samples" {...range('samples')} hint="In a photo the first is the surest, whatever the seed." onInput={(x) => (count.value = x)} />
      <Slider label="Temperature" {...range('heat')} step={0.05} format={(x) => x.toFixed(2)} hint="How far the other samples may stray from it." onInput={(x) => (heat.value = x)} />
      <div class="boxes"><NumberBox label="Seed" {...range('chance')} onChange={(x) => (chance.value = x)} /></div>
    </Section>
  );
}

/** The page's address has every setting, but takes a moment to follow them. */
async function copyLink() {
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    await navigator.clipboard.writeText(location.href);
    notify('Copied: the link has the settings, but neither picture nor mask.');
  } catch (error) {
    report(error, 'Not copied');
  }
}
