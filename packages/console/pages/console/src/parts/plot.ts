import UPlot from 'uplot';
import type { Line } from '../pages/overview/charts.ts';

const HEIGHT = 148;
/** The colours of lines, in the style sheet. */
const LINE_COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

/** The picture of a chart. */
export interface Plot {
  setData(data: PlotData): void;
  remove(): void;
}

/** The seconds of the steps, and then the values of each line. */
export type PlotData = UPlot.AlignedData;

/** From when to when, in milliseconds since 1970. */
export type PlotRange = readonly [number, number];

/** Draws lines into an element, whose size the picture then follows. */
export function drawPlot(
  element: HTMLElement,
  lines: readonly Line[],
  data: PlotData,
  format: (value: number | null | undefined) => string,
  range: () => PlotRange,
): Plot {
  const plot = new UPlot(optionsOf(element, lines, format, range), data, element);
  const observer = new ResizeObserver(() => {
    const width = widthOf(element);
    // An observer is called at its beginning, too, and a new size draws the picture again.
    if (width !== plot.width) plot.setSize({ width, height: HEIGHT });
  });
  observer.observe(element);
  return {
    setData: (newer) => plot.setData(newer),
    remove() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

function widthOf(element: HTMLElement): number {
  return Math.max(element.clientWidth, 200);
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number | null | undefined) => string,
  range: () => PlotRange,
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
    width: widthOf(element),
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
function tickText(seconds: number, [from, until]: PlotRange): string {
  const date = new Date(seconds * 1000);
  if (until - from > DAY_MS) return `${date.getDate()}.${date.getMonth() + 1}.`;
  return date.toTimeString().slice(0, until - from < 600_000 ? 8 : 5);
}
