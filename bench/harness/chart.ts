// Horizontal bars as an SVG that follows the reader's light or dark setting; the thin line spans
// all runs.
import { type ChartOf, type Series } from './scenario.ts';

const width = 720;
const labelWidth = 210;
const valueWidth = 120;
const rowHeight = 30;
const headHeight = 56;

export function chartSvg(scenarioTitle: string, chart: ChartOf, series: readonly Series[]): string {
  const rows = series.filter(({ median }) => Number.isFinite(median[chart.figure]));
  const values = rows.flatMap(({ runs }) => runs.map((run) => run[chart.figure] ?? 0));
  const scale = (width - labelWidth - valueWidth) / Math.max(...values, Number.MIN_VALUE);
  const height = headHeight + rows.length * rowHeight + 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(scenarioTitle)}">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .title { font-weight: 600; font-size: 15px }
  .quiet { fill: #616e7c; font-size: 12px }
  .bar { fill: #9aa5b1 }
  .ours { fill: #2f7dd1 }
  .span { stroke: #1f2933; stroke-width: 1.5; opacity: .6 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb }
    .quiet { fill: #9aa5b1 }
    .bar { fill: #616e7c }
    .ours { fill: #5aa5f0 }
    .span { stroke: #e4e7eb }
  }
</style>
<text class="title" x="0" y="18">${escape(scenarioTitle)}</text>
<text class="quiet" x="0" y="38">${escape(`${chart.title} (${chart.better} is better)`)}</text>
${rows.map((row, index) => rowSvg(row, index, chart, scale)).join('\n')}
</svg>
`;
}

function rowSvg({ name, runs, median }: Series, index: number, chart: ChartOf, scale: number): string {
  const top = headHeight + index * rowHeight;
  const middle = top + rowHeight / 2;
  const value = median[chart.figure] ?? 0;
  const all = runs.map((run) => run[chart.figure] ?? 0);
  const [from, to] = [Math.min(...all), Math.max(...all)].map((end) => rounded(labelWidth + end * scale));
  const kind = name.startsWith('polycast') ? 'bar ours' : 'bar';
  const valueAt = rounded(labelWidth + Math.max(value, ...all) * scale + 8);
  return `<text x="0" y="${middle + 4}">${escape(name)}</text>
<rect class="${kind}" x="${labelWidth}" y="${top + 5}" width="${rounded(Math.max(1, value * scale))}" height="${rowHeight - 10}" rx="3"/>
<line class="span" x1="${from}" x2="${to}" y1="${middle}" y2="${middle}"/>
<text x="${valueAt}" y="${middle + 4}">${escape(`${readable(value)} ${chart.unit}`)}</text>`;
}

/**
 * Formats a number with three significant figures and without an exponent: 1,234,567, 12.3 or
 * 0.456.
 */
export function readable(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value !== 0 && Math.abs(value) < 100) return String(Number(value.toPrecision(3)));
  return Math.round(value).toLocaleString('en-US');
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
