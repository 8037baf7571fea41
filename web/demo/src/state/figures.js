/* What the trainer reports: figures, curves, warnings. */
import { batch, signal } from '@preact/signals';
import { addRow, emptyColumns, lastReport, upTo } from './columns.js';

const SHOW_EVERY = 250; // ms between two drawings of the charts
const WARN_FOR = 500; // steps that a warning stays when it is not given again

/** The last report of the trainer, or null. */
export const latest = signal(null);
/** The trainer's warning, or ''. It may come and go with every step: it stays until it is dealt with, or stays away for long. */
export const warning = signal('');
/** Columns for the charts, all of one length. */
export const history = signal(emptyColumns());

let newest = null; // the last report, until it is shown
let showing = 0; // the timer of the next look at it
let warnedAt = 0; // step
let heeded = null; // { text, step } of the warning that was dealt with

/** Takes a report in; figures and charts follow a few times a second. */
export function record(report) {
  addRow(history.peek(), report);
  warn(report);
  newest = report;
  showing ||= setTimeout(showNewest, SHOW_EVERY);
}

function warn({ step, warning: text }) {
  if (text && (text !== heeded?.text || step - heeded.step > WARN_FOR)) {
    warning.value = text;
    warnedAt = step;
  } else if (step - warnedAt > WARN_FOR) {
    warning.value = '';
  }
}

/** The warning goes, as something was done about it. A cure takes some steps to tell: the same one comes again only after those. */
export function heed() {
  heeded = { text: warning.peek(), step: history.peek().step.at(-1) ?? 0 };
  warning.value = '';
}

/** Shows the last report now, if it is not yet. */
export function showNewest() {
  clearTimeout(showing);
  showing = 0;
  if (!newest) return;
  batch(() => {
    latest.value = newest;
    history.value = { ...history.peek() }; // same columns, new object: charts notice
  });
  newest = null;
}

export function clearFigures() {
  newest = heeded = null;
  batch(() => {
    latest.value = null;
    warning.value = '';
    history.value = emptyColumns();
  });
}

/** Forgets what was reported after a step. */
export function cutFigures(step) {
  newest = null;
  warning.value = '';
  history.value = upTo(history.peek(), step);
}

/** Figures of an earlier visit. */
export function restoreFigures(columns, step) {
  history.value = upTo(columns, step);
  latest.value = lastReport(history.peek(), step);
}
