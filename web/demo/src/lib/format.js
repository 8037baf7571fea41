/* Numbers as people read them. Every function takes a finite number or undefined and returns a short string; undefined
 * becomes a dash, so that a table keeps its shape while figures are on their way. */

const DASH = '–';
const known = (x) => typeof x === 'number' && Number.isFinite(x);

/** 12345 -> "12.3 kB" (powers of 1000, as file managers and the --size option count). */
export function formatBytes(bytes) {
  if (!known(bytes)) return DASH;
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, 'kB'] : [bytes / 1e6, 'MB'];
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** Milliseconds -> "84 ms", "1.35 s", "2 min 5 s", "1 h 20 min". */
export function formatTime(ms) {
  if (!known(ms)) return DASH;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const formatFixed = (x, digits = 2) => (known(x) ? x.toFixed(digits) : x === Infinity ? '∞' : DASH);
export const formatCount = (x) => (known(x) ? Math.round(x).toLocaleString('en') : DASH);
export const formatPercent = (x, digits = 0) => (known(x) ? `${(100 * x).toFixed(digits)} %` : DASH);

/** Three significant digits without exponent down to 0.001: losses, learning rates. */
export function formatFigure(x) {
  if (!known(x)) return DASH;
  if (x === 0) return '0';
  return Math.abs(x) < 1e-3 ? x.toExponential(1) : Number(x.toPrecision(3)).toString();
}

/** "holiday.jpeg", ".tess" -> "holiday.tess" */
export const withExtension = (name, extension) => name.replace(/\.[^./\\]*$/, '') + extension;

/** A JSON value over as few lines as fit in `width` characters: lists of small things stay on one line. */
export function formatJson(value, width = 92, indent = '') {
  const line = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/([[]) | ([\]])/g, '$1$2');
  if (typeof value !== 'object' || value === null || line.length + indent.length <= width) return line;
  const inner = `${indent}  `;
  const rows = Array.isArray(value)
    ? value.map((item) => inner + formatJson(item, width, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${formatJson(item, width, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${rows.join(',\n')}\n${indent}${close}`;
}
