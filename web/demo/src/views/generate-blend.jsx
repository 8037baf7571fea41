/* The chosen sample mixed with another: a row of pictures from the one to the other. */
import { saveBlob } from '../lib/files.js';
import { blend, blends, other, partner, PARTS, settleBlend, step } from '../state/blend.js';
import { chosen, fileOf, generate, openSample, picked, samples } from '../state/generate.js';
import { report } from '../state/notice.js';
import { Button, Choice, Section, Slider } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

const shareOf = (i) => `${Math.round((100 * i) / PARTS)} %`;

export function GenerateBlend() {
  if (picked.value?.done !== 1) return null;
  const others = samples.value.flatMap(({ done }, i) => (done === 1 && i !== chosen.value ? [[String(i), `Picture ${i + 1}`]] : []));
  const made = blend.value;
  const save = () => fileOf(made).then((file) => saveBlob(file, file.name), (error) => report(error, 'The PNG could not be made'));
  const vary = () => {
    generate(made);
    document.querySelector('.sheet [tabindex="0"]').focus(); // this button goes
  };
  return (
    <Section title="Blend">
      <Choice label={`Picture ${chosen.value + 1} with`} value={other.value ? String(partner.value) : ''} options={[['', 'Nothing'], ...others]} onChange={(value) => (partner.value = value === '' ? null : Number(value))} />
      {other.value && (
        <>
          <ul class="blend" aria-label="Pictures between the two">
            {Array.from({ length: PARTS + 1 }, (_, i) => (
              <li key={i}>
                <button type="button" aria-pressed={i === step.value} aria-label={`${shareOf(i)} of picture ${partner.value + 1}`} aria-disabled={!blends.value[i]} tabIndex={-1} onClick={() => (step.value = i)}>
                  {blends.value[i] && <Pixels image={blends.value[i].image} />}
                </button>
              </li>
            ))}
          </ul>
          <Slider label={`Share of picture ${partner.value + 1}`} min={0} max={PARTS} value={step.value} format={shareOf} onInput={(i) => (step.value = i)} hint="Latents are mixed, and the nearest codes taken." />
          {made && <Pixels image={made.image} class="blended" label={`The blend: ${shareOf(step.value)} of picture ${partner.value + 1}`} />}
          <div class="actions">
            <Button icon="play" disabled={!made} title="The prior makes the codes anew that neither picture has at their place" onClick={settleBlend}>Settle blend</Button>
            <Button icon="reset" disabled={!made} onClick={vary}>Vary blend</Button>
            <Button icon="arrow" disabled={!made} onClick={() => openSample(made, 'tokens')}>Blend’s tokens</Button>
            <Button icon="picture" disabled={!made} onClick={save}>Blend PNG</Button>
          </div>
        </>
      )}
    </Section>
  );
}
