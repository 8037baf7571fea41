/* What a trainer reported, as columns of one length: what charts draw and checkpoints keep. */

const NAMES = [
  'step', 'total', 'reconstruction', 'commitment', 'l1', 'l2', 'msSsim', 'perceptual', 'entropy', 'generator', 'discriminator', 'features',
  'real', 'fake', 'accuracy', 'weight', 'gradNorm', 'psnr', 'perplexity', 'used', 'lr',
];
const MOST = 2000; // rows; then every second one goes

export const emptyColumns = () => Object.fromEntries(NAMES.map((name) => [name, []]));

/** Adds a report (a TrainStep) as a row, in place; what it does not have becomes null, so that curves have gaps there. */
export function addRow(columns, report) {
  const row = { ...report, ...report.loss, ...report.gan };
  for (const [name, column] of Object.entries(columns)) column.push(Number.isFinite(row[name]) ? row[name] : null);
  if (columns.step.length <= MOST) return;
  for (const [name, column] of Object.entries(columns)) columns[name] = column.filter((_, i) => i % 2 === 1);
}

/** The rows up to a step: what stands after a return to a checkpoint. */
export function upTo(columns, step) {
  const rows = columns.step.findLastIndex((s) => s <= step) + 1;
  return Object.fromEntries(NAMES.map((name) => [name, (columns[name] ?? []).slice(0, rows)]));
}

/** The last row in the form of a report, at the step that the trainer has reached since; null without rows. */
export function lastReport(columns, step) {
  if (!columns.step.length) return null;
  const row = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.at(-1) ?? undefined]));
  return { ...row, step, loss: row, ...(row.accuracy === undefined ? {} : { gan: row }) };
}
