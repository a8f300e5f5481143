import { SESSION_TRANSPORTS, TRANSPORTS } from '@polycast/protocol';
import { bytesText, durationText, numberText } from '../../parts/format.ts';
import type { StatusHistory } from './status.ts';

/** A line of a chart. */
export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

/** A chart of the overview: what it shows, and how its numbers are written. */
export interface ChartPlan {
  readonly title: string;
  readonly format: (value: number | null | undefined) => string;
  readonly lines: (history: StatusHistory) => readonly Line[];
}

export const CHARTS: readonly ChartPlan[] = [
  { title: 'Events in', format: perSecond, lines: (history) => [rate(history, 'published', 'events in')] },
  {
    title: 'Deliveries out',
    format: perSecond,
    lines: (history) => used(TRANSPORTS.map((transport) => rate(history, `delivered.${transport}`, transport))),
  },
  {
    title: 'Connections',
    format: numberText,
    lines: (history) => used(SESSION_TRANSPORTS.map((transport) => plain(history, `sessions.${transport}`, transport))),
  },
  { title: 'Publish to durable', format: durationText, lines: (history) => percentiles(history, 'publishToDurable') },
  { title: 'Publish to write', format: durationText, lines: (history) => percentiles(history, 'publishToWrite') },
  {
    title: 'Reader lag',
    format: events,
    lines: (history) => [plain(history, 'readerLagEvents', 'slowest reader')],
  },
  {
    title: 'Subscription backlog',
    format: events,
    lines: (history) => [plain(history, 'backlogEvents', 'slowest subscription')],
  },
  {
    title: 'Webhooks',
    format: perSecond,
    lines: (history) => [
      rate(history, 'webhookEvents', 'delivered'),
      rate(history, 'webhookRetries', 'retried'),
      rate(history, 'deadLetters', 'dead letters'),
    ],
  },
  {
    title: 'Memory',
    format: bytesText,
    lines: (history) => [plain(history, 'residentBytes', 'resident')],
  },
  {
    title: 'Disk',
    format: bytesText,
    lines: (history) => [plain(history, 'databaseBytes', 'log'), plain(history, 'diskFreeBytes', 'free')],
  },
  {
    title: 'Processor',
    format: (value) => (value === null || value === undefined ? '–' : `${numberText(value * 100)} %`),
    lines: (history) => [rate(history, 'cpuSeconds', 'of one core')],
  },
  {
    title: 'Event loop delay',
    format: durationText,
    lines: (history) => percentiles(history, 'eventLoopDelay'),
  },
];

function perSecond(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${numberText(value)}/s`;
}

function events(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${numberText(value)} ev`;
}

function plain({ values }: StatusHistory, name: string, label: string): Line {
  return { label, values: values[name] ?? [] };
}

/** A count of each step as a rate per second. */
function rate({ values, stepSeconds }: StatusHistory, name: string, label: string): Line {
  return { label, values: (values[name] ?? []).map((value) => (value === null ? null : value / stepSeconds)) };
}

function percentiles(history: StatusHistory, name: string): readonly Line[] {
  return [plain(history, `${name}.p50Seconds`, 'p50'), plain(history, `${name}.p99Seconds`, 'p99')];
}

/** The lines with a value other than 0; the first one where there is none. */
function used(lines: readonly Line[]): readonly Line[] {
  const found = lines.filter(({ values }) => values.some((value) => value !== null && value > 0));
  return found.length === 0 ? lines.slice(0, 1) : found;
}
