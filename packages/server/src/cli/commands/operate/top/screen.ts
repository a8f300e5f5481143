import { formatBytes, formatCount, formatDuration, formatMs, formatShare } from '../../../quantities.ts';
import { printable, type Terminal } from '../../../terminal.ts';
import type { Quantiles, TopSample } from './sample.ts';

/** What one screen shows. */
export interface ScreenState {
  readonly url: string;
  readonly sample: TopSample;
  /** The rates of the last samples, the oldest first, for the small graphs. */
  readonly history: readonly { readonly in: number; readonly out: number }[];
  /** Why the last request for a status has failed; the sample is then an older one. */
  readonly problem: string | undefined;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

type Style = Terminal['style'];

/** The width of the names of lines, and of the values before a graph. */
const NAME_COLUMNS = 13;
const RATE_COLUMNS = 46;
const BARS = '▁▂▃▄▅▆▇█';
/** The least rows of a list: its title and one entry. */
const LIST_ROWS_MIN = 2;

/**
 * The lines of one screen: at most `rows` lines, of at most `columns` characters as far as their
 * text is ASCII. Lists share the rows that are left.
 */
export function screenLines(state: ScreenState, { columns, rows }: ScreenSize, style: Style): readonly string[] {
  const { sample } = state;
  const head = [headLine(state, columns, style), ...problemLines(state, style), ''];
  const values = valueLines(state, columns, style);
  const listRows = rows - head.length - values.length - 2;
  const slowRows = Math.max(LIST_ROWS_MIN, Math.ceil(listRows / 2));
  const slow = slowList(sample, slowRows, columns, style);
  const failing = failingList(sample, Math.max(LIST_ROWS_MIN, listRows - slow.length - 1), columns, style);
  const body = [...head, ...values, '', ...slow, '', ...failing];
  const foot = style('dim', 'q quits');
  const padding = Array.from({ length: Math.max(0, rows - body.length - 1) }, () => '');
  return [...body.slice(0, rows - 1), ...padding, foot].slice(-rows);
}

function headLine({ url, sample, problem }: ScreenState, columns: number, style: Style): string {
  const { ready, why, version, uptimeSeconds, time } = sample;
  const state = problem !== undefined ? 'no answer' : ready ? 'ready' : `not ready (${why})`;
  const left = ` polycast top  ${url}`;
  const right = `${version}  up ${formatDuration(uptimeSeconds)}  ${state}  ${time.slice(11, 19)} `;
  const gap = ' '.repeat(Math.max(2, columns - left.length - right.length));
  return style(['inverse', 'bold'], `${left}${gap}${right}`.slice(0, columns));
}

function problemLines({ sample: { problems }, problem }: ScreenState, style: Style): readonly string[] {
  return [
    ...(problem === undefined ? [] : [style('red', `The hub does not answer: ${problem}. These are older numbers.`)]),
    ...(problems.length === 0 ? [] : [style('yellow', `Problems: ${problems.join(', ')}. See polycast doctor.`)]),
  ];
}

function valueLines(state: ScreenState, columns: number, style: Style): readonly string[] {
  const { sample, history } = state;
  const { lag, webhooks, process, disk, latencyMs } = sample;
  const graphColumns = columns - NAME_COLUMNS - RATE_COLUMNS - 1;
  const line = (name: string, value: string): string => `${style('dim', name.padEnd(NAME_COLUMNS))}${value}`;
  const graphLine = (name: string, value: string, rates: readonly number[]): string =>
    line(name, value.padEnd(RATE_COLUMNS) + style('cyan', graph(rates, graphColumns)));
  return [
    graphLine(
      'published',
      publishedText(sample),
      history.map((each) => each.in),
    ),
    graphLine(
      'delivered',
      `${rateText(sample.out.eventsPerSecond)} events/s`,
      history.map((each) => each.out),
    ),
    line('connections', connectionText(sample)),
    line('latency', `publish to durable ${quantileText(latencyMs.publishToDurable)}`),
    line('', `publish to write   ${quantileText(latencyMs.publishToWrite)}`),
    line('', `event loop delay   ${quantileText(latencyMs.eventLoopDelay)}`),
    line(
      'lag',
      `slowest reader ${formatCount(lag.readerEventsMax)}, slowest subscription ${formatCount(lag.subscriptionEventsMax)} (${formatDuration(lag.subscriptionSecondsMax)})`,
    ),
    line(
      'webhooks',
      `${rateText(webhooks.deliveredPerSecond)}/s delivered, ${colouredRate(webhooks.failedPerSecond, style)}/s failed, ${formatCount(webhooks.inFlight)} in flight, p99 ${msText(latencyMs.webhook.p99)}`,
    ),
    line(
      'process',
      `${formatBytes(process.residentBytes)} memory, ${formatShare(process.cpuShare, 1)} of a core, ${filesText(process)}`,
    ),
    line('disk', diskText(disk)),
  ];
}

function publishedText({ in: { eventsPerSecond, bytesPerSecond, refusedPerSecond } }: TopSample): string {
  const refused = refusedPerSecond > 0 ? `  ${rateText(refusedPerSecond)}/s refused` : '';
  return `${rateText(eventsPerSecond)} events/s  ${formatBytes(bytesPerSecond)}/s${refused}`;
}

function connectionText({ sessions, connectionsMax }: TopSample): string {
  const total = Object.values(sessions).reduce((sum, count) => sum + count, 0);
  const open = Object.entries(sessions).filter(([, count]) => count > 0);
  const parts = open.map(([transport, count]) => `${formatCount(count)} ${transport}`);
  return `${formatCount(total)} of ${formatCount(connectionsMax)}${open.length === 0 ? '' : ': '}${parts.join(', ')}`;
}

function filesText({ openFiles, openFilesMax }: TopSample['process']): string {
  if (openFiles === null) return 'files unknown';
  return `${formatCount(openFiles)} of ${openFilesMax === null ? 'unlimited' : formatCount(openFilesMax)} files open`;
}

function diskText({ databaseBytes, freeBytes, sizeBytes }: TopSample['disk']): string {
  if (freeBytes === null || sizeBytes === null) return `${formatBytes(databaseBytes)} in memory`;
  return `log ${formatBytes(databaseBytes)}, ${formatBytes(freeBytes)} free (${formatShare(freeBytes, sizeBytes)})`;
}

function quantileText({ p50, p99 }: Quantiles): string {
  return `p50 ${msText(p50).padEnd(8)} p99 ${msText(p99)}`;
}

function msText(ms: number | null): string {
  return ms === null ? '-' : formatMs(ms);
}

function rateText(rate: number): string {
  return rate > 0 && rate < 9.95 ? rate.toFixed(1) : formatCount(rate);
}

function colouredRate(rate: number, style: Style): string {
  return rate > 0 ? style('red', rateText(rate)) : '0';
}

/** The last rates as bars: `▁▂▇█`. The highest rate has the highest bar. */
function graph(rates: readonly number[], columns: number): string {
  if (columns < 8) return '';
  const shown = rates.slice(-columns);
  const highest = Math.max(...shown, 1e-9);
  return shown.map((rate) => BARS[Math.min(7, Math.floor((rate / highest) * 7.999))]).join('');
}

function slowList({ slowConsumers }: TopSample, rows: number, columns: number, style: Style): readonly string[] {
  const entries = slowConsumers.map(({ lagEvents, transport, user, address, channels }) => [
    behindText(lagEvents),
    transport,
    address,
    user ?? '-',
    channels.join(' '),
  ]);
  const titles = ['Slow consumers', 'TRANSPORT', 'ADDRESS', 'USER', 'CHANNELS'];
  return list(titles, entries, { rows, columns }, style);
}

function failingList({ failingEndpoints }: TopSample, rows: number, columns: number, style: Style): readonly string[] {
  const entries = failingEndpoints.map(({ lagEvents, state, since, url, id }) => [
    behindText(lagEvents),
    state,
    since.slice(5, 16).replace('T', ' '),
    id,
    url?.replace(/^https?:\/\//, '') ?? 'pull',
  ]);
  const titles = ['Failing endpoints', 'STATE', 'FAILS SINCE', 'SUBSCRIPTION', 'ENDPOINT'];
  return list(titles, entries, { rows, columns }, style);
}

function behindText(lagEvents: number): string {
  return `${formatCount(lagEvents)} behind`.padStart(FIRST_COLUMNS);
}

/** The width of the first column of lists. */
const FIRST_COLUMNS = 'Failing endpoints'.length;

/** A list in a bounded number of rows. Its last row counts the entries without one. */
function list(
  titles: readonly string[],
  entries: readonly (readonly string[])[],
  { rows, columns }: ScreenSize,
  style: Style,
): readonly string[] {
  const [name = ''] = titles;
  if (entries.length === 0) return [`${style('bold', name)}  ${style('green', 'none')}`];
  const room = Math.max(1, rows - 1);
  const shown = entries.length <= room ? entries : entries.slice(0, Math.max(0, room - 1));
  const hidden = entries.length - shown.length;
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...shown.map((cells) => cells[index]?.length ?? 0)),
  );
  const row = (cells: readonly string[]): string =>
    printable(cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')).slice(0, columns);
  return [
    style('bold', row(titles)),
    ...shown.map(row),
    ...(hidden === 0 ? [] : [style('dim', `and ${hidden} more`.padStart(FIRST_COLUMNS))]),
  ];
}
