/* The chosen sample, and what can be done with it. */
import { saveBlob } from '../lib/files.js';
import { chosen, fileOf, generate, openSample, origin, picked } from '../state/generate.js';
import { report } from '../state/notice.js';
import { Button, Figures, Section } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

export function GenerateChosen() {
  const sample = picked.value;
  const whole = sample?.done === 1;
  const save = () => fileOf(sample).then((file) => saveBlob(file, file.name), (error) => report(error, 'The PNG could not be made'));
  const vary = () => {
    generate(sample);
    document.querySelector('.sheet [tabindex="0"]').focus(); // this button goes
  };
  return (
    <Section title={sample ? `Picture ${chosen.value + 1}` : 'Picture'}>
      {origin.value && (
        <div class="origin">
          <Pixels image={origin.value.image} label="The picture that these are variations of" class="swatch big" />
          <p class="hint">Variations of this one: half of its tokens, others in each, were made up anew.</p>
        </div>
      )}
      {sample ? (
        <>
          <Figures rows={[
            ['Seed', origin.value ? '–' : String(sample.seed), origin.value ? 'A variation is made by chance' : 'The same seed and settings make the same picture'],
            ['Size', `${sample.image.width}×${sample.image.height}`, 'Pixels'],
            ['Tokens', `${sample.tokens.width}×${sample.tokens.height}`, 'Columns and rows'],
          ]} />
          <div class="actions">
            <Button icon="reset" disabled={!whole} onClick={vary}>Vary</Button>
            <Button icon="arrow" disabled={!whole} onClick={() => openSample(sample, 'tokens')}>Tokens</Button>
            <Button icon="arrow" disabled={!whole} onClick={() => openSample(sample, 'compress')}>Compress</Button>
            <Button icon="arrow" disabled={!whole} onClick={() => openSample(sample, 'inpaint')}>Inpaint</Button>
            <Button icon="picture" disabled={!whole} onClick={save}>PNG</Button>
          </div>
        </>
      ) : <p class="hint">Choose a picture to vary it, to see its tokens, or to save it.</p>}
    </Section>
  );
}
