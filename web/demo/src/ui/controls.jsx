/* Small form controls. Each has a visible label that is also its accessible name. */
import { useId } from 'preact/hooks';

export function Icon({ name }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

const paths = {
  open: 'M3 6.5V15a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1V7.5a1 1 0 0 0-1-1h-6l-1.5-2H4a1 1 0 0 0-1 1z',
  save: 'M10 3v9m-3.5-3.5L10 12l3.5-3.5M4 16h12',
  picture: 'M3.5 4.5h13v11h-13zM4 14l3.5-4 3 3 2.5-2.5 3.5 4M12.5 8h.01',
  close: 'M5.5 5.5l9 9m0-9l-9 9',
  play: 'M6.5 4.5v11l9-5.5z',
  pause: 'M7 4.5v11m6-11v11',
  step: 'M5 4.5v11l7-5.5zM15 4.5v11',
  undo: 'M7.5 4 4 7.5 7.5 11M4 7.5h7.5a4 4 0 0 1 0 8H8',
  redo: 'M12.5 4 16 7.5 12.5 11M16 7.5H8.5a4 4 0 0 0 0 8H12',
  keep: 'M4 10.5l4 4 8-9',
  reset: 'M5 6.5a6.5 6.5 0 1 1-1.3 5M5 3v3.5h3.5',
  sun: 'M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z',
  auto: 'M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13',
  copy: 'M7.5 7.5h9v9h-9zM12.5 4.5v-1h-9v9h1',
  arrow: 'M4 10h12m-4.5-4.5L16 10l-4.5 4.5',
};

/** A button; `icon` names a path above, `kind` is 'plain', 'primary' or 'quiet'. */
export function Button({ icon, kind = 'plain', children, label, ...rest }) {
  return (
    <button type="button" class={`button ${kind}${children ? '' : ' bare'}`} aria-label={label} title={label} {...rest}>
      {icon && <Icon name={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}

/** A slider with its value beside the label. `scale: 'log'` spreads the range evenly over its decades. */
export function Slider({ label, value, min, max, step = 1, scale, format = String, hint, onInput, ...rest }) {
  const id = useId();
  const [low, high, toRange, fromRange] =
    scale === 'log' ? [0, 1000, (x) => (1000 * Math.log(x / min)) / Math.log(max / min), (t) => min * (max / min) ** (t / 1000)] : [min, max, (x) => x, (t) => t];
  const at = toRange(value);
  return (
    <div class="field">
      <div class="field-head">
        <label for={id}>{label}</label>
        <output for={id}>{format(value)}</output>
      </div>
      <input id={id} type="range" min={low} max={high} step={scale === 'log' ? 1 : step} value={at} style={{ '--filled': `${(100 * (at - low)) / (high - low)}%` }}
        aria-valuetext={format(value)} aria-describedby={hint && `${id}-hint`} onInput={(event) => onInput(fromRange(Number(event.currentTarget.value)))} {...rest} />
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

/** A whole number in a box; out-of-range text is put right when the box is left. */
export function NumberBox({ label, value, min, max, onChange, ...rest }) {
  const id = useId();
  const commit = (event) => {
    const number = Math.round(Number(event.currentTarget.value));
    const kept = Number.isFinite(number) ? Math.min(max, Math.max(min, number)) : value;
    event.currentTarget.value = kept;
    if (kept !== value) onChange(kept);
  };
  return (
    <div class="box">
      <label for={id}>{label}</label>
      <input id={id} type="number" inputMode="numeric" min={min} max={max} value={value} onChange={commit} {...rest} />
    </div>
  );
}

/** A box to tick. */
export function Check({ label, hint, onChange, ...rest }) {
  const id = useId();
  return (
    <div class="field">
      <label class="check"><input type="checkbox" aria-describedby={hint ? id : undefined} onChange={(event) => onChange(event.currentTarget.checked)} {...rest} />{label}</label>
      {hint && <p class="hint" id={id}>{hint}</p>}
    </div>
  );
}

export function Choice({ label, value, options, onChange, ...rest }) {
  const id = useId();
  return (
    <div class="box">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)} {...rest}>
        {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
      </select>
    </div>
  );
}

/** Radio buttons that look like one bar: a choice among two to four. */
export function Segmented({ label, value, options, onChange, showLabel = false, disabled = false }) {
  const name = useId();
  return (
    <fieldset class="segmented" disabled={disabled}>
      <legend class={showLabel ? '' : 'visually-hidden'}>{label}</legend>
      <div class="segments">
        {options.map(([key, text]) => (
          <label key={key}>
            <input type="radio" name={name} value={key} checked={key === value} onChange={() => onChange(key)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Figures: [[label, value, title?], ...] as a description list. */
export function Figures({ rows, stale = false }) {
  return (
    <dl class={`figures${stale ? ' stale' : ''}`}>
      {rows.map(([label, value, title]) => (
        <div key={label} title={title}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Section({ title, children, ...rest }) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={title ? id : undefined} {...rest}>
      {title && <h2 id={id}>{title}</h2>}
      {children}
    </section>
  );
}
