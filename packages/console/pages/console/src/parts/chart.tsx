import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import UPlot from 'uplot';
import type { Line } from '../pages/overview/charts.ts';

const HEIGHT = 148;
/** The colours of lines, in the style sheet. */
const LINE_COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

/**
 * A chart of some lines over time. The numbers are also in the text above it, so that nobody needs
 * the picture.
 * @param times milliseconds since 1970
 */
export function Chart({
  title,
  times,
  stepSeconds,
  range,
  lines,
  format,
}: {
  title: string;
  times: readonly number[];
  /** From when to when, milliseconds since 1970. */
  range: readonly [number, number];
  stepSeconds: number;
  lines: readonly Line[];
  format: (value: number | null | undefined) => string;
}): VNode {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const [theme, setTheme] = useState(0);
  const labels = lines.map(({ label }) => label).join('\n');
  const data = withGaps(times, lines, stepSeconds);
  const shownRange = useRef(range);
  shownRange.current = range;

  useEffect(() => {
    const renew = (): void => setTheme((present) => present + 1);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    window.addEventListener('themechange', renew);
    scheme.addEventListener('change', renew);
    return () => {
      window.removeEventListener('themechange', renew);
      scheme.removeEventListener('change', renew);
    };
  }, []);

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const created = new UPlot(
      optionsOf(element, lines, format, () => shownRange.current),
      data,
      element,
    );
    plot.current = created;
    const observer = new ResizeObserver(() => created.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
    };
  }, [labels, theme]);

  useEffect(() => plot.current?.setData(data), [times, lines]);

  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul>
          {lines.map(({ label, values }, index) => (
            <li key={label}>
              <i class={`swatch swatch-${(index % LINE_COLOURS.length) + 1}`} aria-hidden="true" />{' '}
              {lines.length > 1 || title.toLowerCase() !== label ? label : 'now'}{' '}
              <b>{format(values.findLast((value) => value !== null))}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={host} class="plot" role="img" aria-label={summary(title, lines, format)} />
    </figure>
  );
}

function summary(title: string, lines: readonly Line[], format: (value: number) => string): string {
  const parts = lines.map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0
      ? `${label}: no values`
      : `${label}: from ${format(Math.min(...known))} to ${format(Math.max(...known))}`;
  });
  return `${title} over time. ${parts.join('; ')}`;
}

/** The columns of uPlot. A missing step is a gap in each line, because the hub did not run. */
function withGaps(times: readonly number[], lines: readonly Line[], stepSeconds: number): UPlot.AlignedData {
  const seconds: number[] = [];
  const columns: (number | null)[][] = lines.map(() => []);
  let last: number | undefined;
  for (const [index, time] of times.entries()) {
    if (last !== undefined && time - last > stepSeconds * 1500) {
      seconds.push(last / 1000 + stepSeconds);
      for (const column of columns) column.push(null);
    }
    seconds.push(time / 1000);
    for (const [line, column] of columns.entries()) column.push(lines[line]?.values[index] ?? null);
    last = time;
  }
  return [seconds, ...columns];
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number | null | undefined) => string,
  range: () => readonly [number, number],
): UPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name);
  const axis = {
    stroke: colour('--soft'),
    font: `11px ${colour('--text')}`,
    grid: { stroke: colour('--rule'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: Math.max(element.clientWidth, 200),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { range: () => [range()[0] / 1000, range()[1] / 1000] },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, space: 70, size: 24, values: (_plot, splits) => splits.map((at) => tickText(at, range())) },
      { ...axis, size: 62, space: 34, values: (_plot, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ label }, index) => ({
        label,
        stroke: colour(LINE_COLOURS[index % LINE_COLOURS.length] ?? '--ink'),
        width: 1.5,
        // A single step between gaps is no line.
        points: { show: (_plot: UPlot, series: number, first: number, last: number) => series > 0 && last - first < 2 },
        spanGaps: false,
      })),
    ],
  };
}

const DAY_MS = 86_400_000;

/** The text of a tick: a time, or a date where the range has several days. */
function tickText(seconds: number, [from, until]: readonly [number, number]): string {
  const date = new Date(seconds * 1000);
  if (until - from > DAY_MS) return `${date.getDate()}.${date.getMonth() + 1}.`;
  return date.toTimeString().slice(0, until - from < 600_000 ? 8 : 5);
}
