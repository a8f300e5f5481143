import type { HubStatus } from '../../../operate/hub-status.ts';
import { JSON_DOCUMENT, type Command, type Input } from '../../command.ts';
import { CliError, type ExitName } from '../../exit-codes.ts';
import { HUB_ADDRESS_OPTIONS, hubAddress, type HubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';
import { pasteable } from '../../pasteable.ts';
import { formatBytes, formatCount, formatCounted, formatDuration, formatShare } from '../../quantities.ts';
import { printable, type Terminal } from '../../terminal.ts';
import { readReadiness, type Readiness } from './readiness.ts';

const TIMEOUT_SECONDS = 5;

export const status: Command = {
  name: 'status',
  summary: 'Shows whether a hub is ready, and its load.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  details:
    'It ends with 0 if the hub is ready, and with 1 if it is not or does not answer. The details need a key with the scope admin. For a health check use --ready: it needs no key, and prints nothing but the reason of a failure.',
  options: {
    ...HUB_ADDRESS_OPTIONS,
    ready: { doc: 'Only checks whether the hub is ready, for health checks.' },
    timeout: { value: 'SECONDS', doc: `How long to wait for an answer; ${TIMEOUT_SECONDS} by default.` },
    json: JSON_DOCUMENT,
  },
  examples: [
    { command: 'polycast status', description: 'of the hub on this machine' },
    { command: 'polycast status --ready && echo ready', description: 'the health check of a container' },
    { command: 'polycast status --url https://hub.example --json', description: 'for programs' },
  ],
  async run(input, terminal) {
    const hub = hubAddress(input);
    const timeoutMs = (input.number('timeout', 1) ?? TIMEOUT_SECONDS) * 1000;
    const readiness = await readReadiness(hub, timeoutMs);
    const exit: ExitName = readiness.ready ? 'done' : 'failed';
    if (input.flag('ready')) {
      if (input.flag('json')) terminal.out(JSON.stringify(shownReadiness(readiness)));
      else if (!readiness.ready) terminal.notice(readiness.error?.message ?? `not ready: ${readiness.why}`);
      return exit;
    }
    if (!readiness.ready && readiness.error !== undefined) return showUnreachable(readiness, input, terminal);
    const found = await readStatus(hub).catch((error: unknown) => refusalOf(error));
    if (input.flag('json')) terminal.out(JSON.stringify(found instanceof CliError ? shownReadiness(readiness) : found));
    else if (!(found instanceof CliError)) showStatus(hub, found, terminal);
    else terminal.out(`Polycast at ${hub.url} is ${stateText(readiness, terminal)}`);
    if (found instanceof CliError) showError(found, terminal);
    return exit;
  },
};

/** @throws CliError when the hub refuses, such as without a key */
export async function readStatus(hub: HubAddress, signal?: AbortSignal): Promise<HubStatus> {
  return (await requestHub(hub, 'GET', '/v1/status', undefined, {}, undefined, signal)) as HubStatus;
}

function shownReadiness(readiness: Readiness): object {
  return readiness.ready ? { ready: true, why: null } : { ready: false, why: readiness.why };
}

function showUnreachable(readiness: Readiness, input: Input, terminal: Terminal): ExitName {
  if (input.flag('json')) terminal.out(JSON.stringify(shownReadiness(readiness)));
  if (!readiness.ready && readiness.error !== undefined) showError(readiness.error, terminal);
  return 'failed';
}

/** A hub that refuses its details still shows whether it is ready. */
function refusalOf(error: unknown): CliError {
  if (error instanceof CliError && error.exit === 'failed') return error;
  throw error;
}

function showError({ message, hints }: CliError, { notice, noticeStyle }: Terminal): void {
  notice(`${noticeStyle('red', 'polycast:')} ${message}`);
  for (const hint of hints) notice(noticeStyle('dim', pasteable(hint)));
}

function stateText(readiness: Readiness, { style }: Terminal): string {
  return readiness.ready ? style('green', 'ready') : style('red', `not ready (${readiness.why})`);
}

function showStatus({ url }: HubAddress, found: HubStatus, terminal: Terminal): void {
  const { out, style } = terminal;
  const readiness: Readiness = found.ready ? { ready: true } : { ready: false, why: String(found.why) };
  out(`Polycast ${found.version} at ${url} is ${stateText(readiness, terminal)}`);
  const lines: readonly (readonly [string, string])[] = [
    ...found.problems.map((problem) => ['problem', style('yellow', problem)] as const),
    ['up', `${formatDuration(found.uptimeSeconds)}, since ${found.started}`],
    ['log', logText(found)],
    ['data', dataText(found)],
    ['published', publishedText(found)],
    ['sessions', sessionText(found)],
    ['backlog', backlogText(found)],
    ['subscriptions', subscriptionText(found)],
    ['process', processText(found)],
  ];
  for (const [name, value] of lines) out(`  ${style('dim', name.padEnd(14))}${printable(value)}`);
}

function logText({ log }: HubStatus): string {
  const damage = log.damagedRanges === 0 ? '' : `, ${formatCounted(log.damagedRanges, 'damaged range')}`;
  return `${formatCounted(log.events, 'event')} in ${formatCounted(log.channels, 'channel')}, head ${log.cursor}${damage}`;
}

function dataText({ storage: { folder, databaseBytes, freeBytes, sizeBytes } }: HubStatus): string {
  if (folder === null || freeBytes === null || sizeBytes === null) return `${formatBytes(databaseBytes)} in memory`;
  return `${formatBytes(databaseBytes)} in ${folder}, ${formatBytes(freeBytes)} free (${formatShare(freeBytes, sizeBytes)})`;
}

function publishedText({ published, delivered }: HubStatus): string {
  const deliveries = Object.values(delivered).reduce((sum, each) => sum + each, 0);
  return [
    formatCounted(published.events, 'event'),
    formatCounted(deliveries, 'delivery', 'deliveries'),
    `${formatCount(published.refused)} refused since the start`,
  ].join(', ');
}

function sessionText({ sessions }: HubStatus): string {
  const open = Object.entries(sessions).filter(([, count]) => count > 0);
  const total = open.reduce((sum, [, count]) => sum + count, 0);
  const parts = open.map(([transport, count]) => `${formatCount(count)} ${transport}`).join(', ');
  return total === 0 ? 'none' : `${formatCount(total)}: ${parts}`;
}

function backlogText({ readers, log, subscriptions: { states } }: HubStatus): string {
  const lags = Object.values(states);
  const events = lags.reduce((max, { lagEventsMax }) => Math.max(max, lagEventsMax), 0);
  const seconds = lags.reduce((max, { lagSecondsMax }) => Math.max(max, lagSecondsMax), 0);
  return [
    `slowest reader ${formatCounted(readers.lagEventsMax, 'event')}`,
    `slowest subscription ${formatCounted(events, 'event')} (${formatDuration(seconds)})`,
    `${formatBytes(log.queueBytes)} not yet durable`,
  ].join(', ');
}

function subscriptionText({ subscriptions: { states, failing, deadLetters } }: HubStatus): string {
  const parts = Object.entries(states)
    .filter(([, { count }]) => count > 0)
    .map(([state, { count }]) => `${formatCount(count)} ${state}`);
  if (failing.length > 0) parts.push(`${failing.length} failing`);
  if (deadLetters > 0) parts.push(formatCounted(deadLetters, 'new dead letter'));
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function processText({ process: { pid, residentBytes, openFiles, openFilesMax }, ...versions }: HubStatus): string {
  const files =
    openFiles === null || openFilesMax === null
      ? ''
      : `, ${formatCount(openFiles)} of ${formatCount(openFilesMax)} files open`;
  return `${pid}, ${formatBytes(residentBytes)}${files}, Node.js ${versions.nodeVersion}, SQLite ${versions.sqliteVersion}`;
}
