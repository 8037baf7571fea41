/* The token or code in focus: its picture, its use and cost, and what could stand in its place. */
import { computed } from '@preact/signals';
import { cssColour } from '../lib/colour.js';
import { formatCount, formatFixed, formatPercent } from '../lib/format.js';
import { bitsAt } from '../state/bits.js';
import { likely } from '../state/likely.js';
import { put, takeBrush } from '../state/painting.js';
import { book, codes, focus, focusOn, grid, held, level, patches, placeColours, usage } from '../state/tokens.js';
import { Button, Section } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';

const nearest = computed(() => (focus.value && book.value ? book.value.nearest(focus.value.code, 6).filter(({ index }) => index !== focus.value.code).slice(0, 5) : []));

/** Read out when it changes. */
export function Inspector() {
  const here = focus.value;
  if (!here) {
    return (
      <Section title="Code" class="section inspect">
        <p class="hint">Point at a token or a code, or go there with Tab and the arrow keys. Click to hold it.</p>
      </Section>
    );
  }
  const count = usage.value?.counts[here.code];
  const share = count / (codes.value?.length ?? 1);
  const where = here.cell >= 0 && grid.value ? `row ${Math.floor(here.cell / grid.value.width) + 1}, column ${(here.cell % grid.value.width) + 1}` : 'from the codebook';
  const used = count === undefined ? '' : count === 0 ? 'not used in this picture' : `${formatCount(count)} ${count === 1 ? 'place' : 'places'}, ${formatPercent(share, 1)}, ${formatFixed(-Math.log2(share), 1)} bit`;
  const cost = bitsAt(here.cell, level.value);
  return (
    <Section title={held.value ? 'Code (held)' : 'Code'} class="section inspect">
      <div class="inspector">
        <Patch code={here.code} class="swatch big" />
        <p aria-live="polite">
          <strong>Code {here.code}</strong><span>{where}</span><span>{used}</span>
          {cost && <span>takes {formatFixed(cost.level, 1)} bit{grid.value.levels > 1 && `, ${formatFixed(cost.all, 1)} with all levels`}</span>}
        </p>
      </div>
      {held.value && here.cell >= 0 ? <Likely /> : <Nearest />}
      {held.value && codes.value && <div class="actions"><Button onClick={() => takeBrush(here.code)}>Use code {here.code} as brush</Button></div>}
    </Section>
  );
}

function Nearest() {
  return (
    <>
      <p class="hint" id="near">Nearest in the codebook</p>
      <ul class="near" aria-labelledby="near">
        {nearest.value.map(({ index, distance }) => (
          <li key={index}>
            <button type="button" onClick={() => focusOn({ code: index }, true)} aria-label={`Code ${index}, distance ${formatFixed(distance)}`} title={`distance ${formatFixed(distance, 3)}`}>
              <Patch code={index} class="swatch" />
              <span>{index}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** What the held token could be as well, each as the picture would be there: a click puts it in place. */
function Likely() {
  const { cell, by, list = [] } = likely.value ?? {};
  const farthest = list.at(-1)?.distance || 1;
  const text = { prior: 'Likely here, as the model’s prior thinks of all other tokens. Choose one to put it in place.',
    distance: 'This model has no prior for this picture that could say what is likely here. Nearest in the codebook, by distance; choose one to put it in place.' };
  return (
    <>
      <p class="hint" id="likely">{text[by] ?? 'Looking for what could stand here…'}</p>
      <ul class="likely" aria-labelledby="likely" aria-busy={!list.length}>
        {list.map(({ code, probability, distance, image }) => {
          const part = by === 'prior' ? probability : 1 - distance / farthest;
          const figure = by === 'prior' ? formatPercent(probability, probability < 0.0995 ? 1 : 0) : formatFixed(distance);
          return (
            <li key={code}>
              <button type="button" aria-pressed={code === focus.value.code} onClick={() => put(cell, code)}>
                {image ? <Pixels image={image} class="swatch around" /> : <Patch code={code} class="swatch around" />}
                <span><span class="visually-hidden">Code </span>{code}</span>
                <span class="part"><i style={{ width: `${100 * part}%` }} /></span>
                <span class="figure"><span class="visually-hidden"> {by === 'prior' ? 'probability' : 'distance'} </span>{figure}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** The decoded picture of a code, or its colour until there is one. */
export function Patch({ code, ...rest }) {
  const image = patches.value.list[code];
  return image ? <Pixels image={image} {...rest} /> : <i {...rest} style={{ background: cssColour(placeColours.value[code]) }} />;
}
