import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Line } from '../pages/overview/charts.ts';
import { inTurn } from './in-turn.ts';
import type { drawPlot, Plot, PlotData, PlotRange } from './plot.ts';

/** The swatches of lines, in the style sheet. */
const SWATCHES = 6;

/**
 * A chart of some lines over time. The numbers are also in the text above it, so that nobody needs
 * the picture. A dozen pictures would be a long task, so each one is drawn in its turn.
 * @param times milliseconds since 1970
 * @param draw absent until its code has arrived
 */
export function Chart({
  title,
  times,
  stepSeconds,
  range,
  lines,
  format,
  draw,
}: {
  title: string;
  times: readonly number[];
  range: PlotRange;
  stepSeconds: number;
  lines: readonly Line[];
  format: (value: number | null | undefined) => string;
  draw: typeof drawPlot | undefined;
}): VNode {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const [theme, setTheme] = useState(0);
  const labels = lines.map(({ label }) => label).join('\n');
  const data = withGaps(times, lines, stepSeconds);
  const latest = useRef({ data, range });
  latest.current = { data, range };
  const drawn = useRef<PlotData>(undefined);

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
    if (element === null || draw === undefined) return undefined;
    const cancel = inTurn(() => {
      drawn.current = latest.current.data;
      plot.current = draw(element, lines, drawn.current, format, () => latest.current.range);
    });
    return () => {
      cancel();
      plot.current?.remove();
      plot.current = undefined;
    };
  }, [labels, theme, draw]);

  useEffect(
    () =>
      inTurn(() => {
        if (drawn.current === latest.current.data) return;
        drawn.current = latest.current.data;
        plot.current?.setData(drawn.current);
      }),
    [times, lines],
  );

  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul>
          {lines.map(({ label, values }, index) => (
            <li key={label}>
              <i class={`swatch swatch-${(index % SWATCHES) + 1}`} aria-hidden="true" />{' '}
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
function withGaps(times: readonly number[], lines: readonly Line[], stepSeconds: number): PlotData {
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
