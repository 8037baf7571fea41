/* What to make up, with the words that the model knows; and how it is sampled. */
import { useId } from 'preact/hooks';
import { partsOf, strangeWords, toggleWord } from '../lib/words.js';
import { generate, generateOthers, generator, origin, priorId, priors } from '../state/generate.js';
import { notify, report } from '../state/notice.js';
import { rangeOf, settings } from '../state/settings.js';
import { Button, Choice, NumberBox, Section, Segmented, Slider } from '../ui/controls.jsx';

const SUGGESTED = 72; // of a vocabulary's words, the first

export function GeneratePrompt() {
  const { prompt, label } = settings;
  const model = generator.value?.model;
  const { text, classes, vocabulary } = model?.prior ?? {};
  const submit = (event) => {
    event.preventDefault();
    generate();
  };
  return (
    <form onSubmit={submit}>
      <Section title="Make up pictures">
        <Choice label="Model" value={priorId.value} options={priors.value.map(({ id, label: name }) => [id, name])} onChange={(id) => (priorId.value = id)} />
        {text && <Prompt value={prompt.value} words={vocabulary} onInput={(words) => (prompt.value = words)} />}
        {classes > 0 && <Classes count={classes} value={label.value} onChange={(value) => (label.value = value)} />}
        <div class="actions">
          <Button kind="primary" icon="play" type="submit">Generate</Button>
          <Button icon="reset" onClick={generateOthers}>Other seed</Button>
          <Button icon="copy" onClick={copyLink}>Copy link</Button>
        </div>
        {model?.trainedOn && <p class="hint">Trained on {model.trainedOn}.</p>}
      </Section>
    </form>
  );
}

export function GenerateSampling() {
  const { pictures, guidance, temperature, passes, draw, settle } = settings;
  const range = (name) => ({ min: rangeOf(name).min, max: rangeOf(name).max, value: settings[name].value });
  return (
    <Section title="Sampling">
      <Segmented label="Pictures" showLabel value={pictures.value} onChange={(value) => (pictures.value = value)} options={[['4', '4'], ['9', '9'], ['16', '16']]} />
      <Slider label="Guidance" {...range('guidance')} step={0.25} format={(x) => x.toFixed(2)} hint="How much words or class count." onInput={(x) => (guidance.value = x)} />
      <Slider label="Temperature" {...range('temperature')} step={0.05} format={(x) => x.toFixed(2)} hint="Low: likely pictures. High: odd ones." onInput={(x) => (temperature.value = x)} />
      <Slider label="Steps" {...range('passes')} onInput={(x) => (passes.value = x)} />
      <Segmented label="Tokens that settle first" showLabel value={settle.value} onChange={(value) => (settle.value = value)} options={[['halton', 'Spread out'], ['confidence', 'The surest']]} />
      <div class="boxes"><NumberBox label="Seed" {...range('draw')} onChange={(x) => (draw.value = x)} /></div>
    </Section>
  );
}

function Prompt({ value, words = [], onInput }) {
  const id = useId();
  const inUse = new Set(partsOf(value)), strange = words.length ? strangeWords(value, words) : [];
  return (
    <>
      <div class="box">
        <label for={id}>Prompt</label>
        <input id={id} type="text" value={value} maxLength={400} autocomplete="off" spellcheck={false} enterkeyhint="go" placeholder={words.slice(0, 3).join(', ') || 'anything'}
          aria-describedby={`${id}-strange`} onInput={(event) => onInput(event.currentTarget.value)} />
        <p class="hint" id={`${id}-strange`} aria-live="polite">{strange.length > 0 && `The model was not trained on: ${strange.join(', ')}.`}</p>
      </div>
      {words.length > 0 && (
        <div class="words" role="group" aria-label="Words that the model knows">
          {words.slice(0, SUGGESTED).map((word) => <button key={word} type="button" aria-pressed={inUse.has(word)} onClick={() => onInput(toggleWord(value, word))}>{word}</button>)}
        </div>
      )}
    </>
  );
}

/** Radio buttons for "any" and the classes, or a list of them where they are many. */
function Classes({ count, value, onChange }) {
  const name = useId();
  const options = Array.from({ length: count + 1 }, (_, i) => [i - 1, i ? String(i - 1) : 'Any']);
  const current = value < count ? value : -1;
  if (count > 20) return <Choice label="Class" value={String(current)} options={options.map(([key, text]) => [String(key), text])} onChange={(key) => onChange(Number(key))} />;
  return (
    <fieldset class="segmented">
      <legend>Class</legend>
      <div class="segments classes">
        {options.map(([key, text]) => (
          <label key={key}>
            <input type="radio" name={name} value={key} checked={key === current} onChange={() => onChange(key)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** The page's address has every setting, but takes a moment to follow them. */
async function copyLink() {
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    await navigator.clipboard.writeText(location.href);
    const lost = origin.value ? 'no variations' : priorId.value.startsWith('file:') && 'not the model, which was opened from a file';
    notify(lost ? `Copied: the link has the settings, but ${lost}.` : 'Copied: the link shows the same pictures.');
  } catch (error) {
    report(error, 'Not copied');
  }
}
