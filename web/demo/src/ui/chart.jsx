/* A uPlot chart in the page's colours, with its data in words and, on request, as a table. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatFigure } from '../lib/format.js';
import { breathe } from '../lib/pause.js';
import { theme } from '../state/theme.js';

const HEIGHT = 168;

const waiting = new Set();
let drawing = false;

/** Draws charts one a task, so that a page full of them never holds up the page; returns what takes a drawing back. */
function inTurn(draw) {
  waiting.add(draw);
  if (!drawing) work();
  return () => waiting.delete(draw);
}

async function work() {
  drawing = true;
  await breathe();
  for (const draw of waiting) {
    waiting.delete(draw);
    draw();
    await breathe();
  }
  drawing = false;
}

/** Reads a CSS colour variable of the page, as uPlot draws on a canvas. */
function ink(element, name) {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function axes(element) {
  const common = { stroke: ink(element, '--soft'), font: '11px Inter, Arial, sans-serif', ticks: { show: false }, grid: { stroke: ink(element, '--line'), width: 1 } };
  return [{ ...common, grid: { show: false }, size: 26, gap: 4 }, { ...common, size: 50, gap: 4, values: (_, ticks) => ticks.map((t) => (t === null ? '' : formatFigure(t))) }];
}

/**
 * @param {{ title: string, x: ArrayLike<number>, series: { label: string, colour: string, values: ArrayLike<number>, scale?: string }[],
 *   log?: boolean, bars?: boolean, signed?: boolean, summary: string, xLabel: string }} props   colour: a CSS variable's name
 */
export function Chart({ title, x, series, log = false, bars = false, signed = false, summary, xLabel, children }) {
  const frame = useRef();
  const plot = useRef(null);
  const [table, setTable] = useState(false);
  const [at, setAt] = useState(null); // the row under the pointer
  const shape = `${series.map((s) => s.label).join()} ${log} ${bars} ${theme.value}`;

  useEffect(() => {
    const element = frame.current;
    const options = {
      width: element.clientWidth || 300, height: HEIGHT, padding: [10, 18, 0, 0],
      legend: { show: false }, cursor: { y: false, points: { size: 6 } },
      hooks: { setCursor: [({ cursor }) => setAt(cursor.idx ?? null)] },
      scales: { x: { time: false }, y: log ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, signed ? low * 1.05 : low), high > 0 ? high * 1.05 : signed ? 0.1 : 1] } },
      axes: axes(element),
      series: [{}, ...series.map(({ label, colour }) => ({
        label, stroke: ink(element, colour), width: 1.6, points: { show: false },
        ...(bars && { fill: ink(element, colour), width: 0, paths: uPlot.paths.bars({ size: [0.9, 40, 1] }) }),
      }))],
    };
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    const drop = inTurn(() => {
      plot.current = new uPlot(options, [[], ...series.map(() => [])], element);
      observer.observe(element);
    });
    return () => {
      drop();
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    const positive = (values) => (log ? Array.from(values, (v) => (v > 0 ? v : null)) : values);
    return inTurn(() => plot.current?.setData([x, ...series.map((s) => positive(s.values))]));
  }, [x, shape, ...series.map((s) => s.values), ...series.map((s) => s.values.length)]);

  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <span class="keys">
          {series.length > 1 && series.map((s) => <span key={s.label}><i style={{ background: `var(${s.colour})` }} />{s.label}</span>)}
          {children}
          <button type="button" class="link" aria-pressed={table} onClick={() => setTable(!table)}>Table</button>
        </span>
      </figcaption>
      <div class="plot" hidden={table}>
        <div ref={frame} role="img" aria-label={`${title}. ${summary}`} />
        {at !== null && at < x.length && (
          <p class="readout" aria-hidden="true">
            {xLabel.toLowerCase()} <b>{x[at]}</b> {series.map((s) => <span key={s.label} style={{ color: `var(${s.colour})` }}>{s.label} <b>{formatFigure(s.values[at])}</b></span>)}
          </p>
        )}
      </div>
      {table && <Table x={x} series={series} xLabel={xLabel} title={title} />}
    </figure>
  );
}

/** At most a dozen evenly spaced rows: enough to follow a curve by ear. */
function Table({ x, series, xLabel, title }) {
  const rows = Math.min(12, x.length);
  const at = Array.from({ length: rows }, (_, i) => (rows === 1 ? 0 : Math.round((i * (x.length - 1)) / (rows - 1))));
  return (
    <div class="table" tabIndex={0} role="region" aria-label={`${title}, table`}>
      <table>
        <thead><tr><th scope="col">{xLabel}</th>{series.map((s) => <th key={s.label} scope="col">{s.label}</th>)}</tr></thead>
        <tbody>
          {at.map((i) => <tr key={i}><th scope="row">{x[i]}</th>{series.map((s) => <td key={s.label}>{formatFigure(s.values[i])}</td>)}</tr>)}
        </tbody>
      </table>
    </div>
  );
}
