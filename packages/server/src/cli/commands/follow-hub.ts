import {
  connect,
  type ConnectOptions,
  type Connection,
  type StateChange,
  type SubscribeOptions,
} from '@polycast/client';
import { GAP_REASONS, type Gap, type PolycastEvent } from '@polycast/protocol';
import { eventLine } from '../event-format.ts';
import { CliError, type ExitName } from '../exit-codes.ts';
import { keyHint, unreachable, type HubAddress } from '../hub-address.ts';
import { pasteable } from '../pasteable.ts';
import type { Terminal } from '../terminal.ts';

export interface FollowOptions {
  readonly patterns: readonly string[];
  readonly transports: NonNullable<ConnectOptions['transports']>;
  readonly after: string | undefined;
  readonly history: number | undefined;
  readonly types: readonly string[];
  /** The number of events to print; Infinity for no limit. */
  readonly countMax: number;
  readonly json: boolean;
  readonly quiet: boolean;
}

const REACH_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 1000;

/** Prints events until `countMax` is reached, the hub refuses, or a signal arrives. */
export async function followHub(hub: HubAddress, options: FollowOptions, terminal: Terminal): Promise<ExitName> {
  const { url, key } = hub;
  await checkReachable(url);
  const connection = connect(url, {
    transports: options.transports,
    pollIntervalMs: POLL_INTERVAL_MS,
    ...(key !== undefined && { token: key }),
  });
  let lastNotice = '';
  // A repeated notice is printed once, such as that of a hub that is unreachable for an hour.
  const notice = (line: string): void => {
    if (!options.quiet && line !== lastNotice) terminal.notice(line);
    lastNotice = line;
  };
  try {
    return await printEvents(connection, hub, options, { ...terminal, notice });
  } finally {
    connection.close();
  }
}

/** Checks that a hub answers: the client would try forever, and a person needs the error. */
async function checkReachable(url: string): Promise<void> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(REACH_TIMEOUT_MS) });
    await response.body?.cancel();
  } catch (error) {
    throw unreachable(url, error);
  }
}

function printEvents(
  connection: Connection,
  hub: HubAddress,
  options: FollowOptions,
  terminal: Terminal,
): Promise<ExitName> {
  const { patterns, countMax, json } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ExitName>();
  let count = 0;
  let lastId: string | undefined;
  const show = (event: PolycastEvent): Promise<void> | undefined => {
    if (count >= countMax) return undefined;
    count += 1;
    lastId = event.id;
    terminal.out(json ? JSON.stringify(event) : eventLine(event, terminal.style));
    if (count >= countMax) resolve('done');
    return terminal.drained();
  };
  let attempted = false;
  connection.on('state', (change) => {
    attempted ||= change.state === 'connecting';
    const refusal = attempted ? reportState(change, hub, terminal) : undefined;
    if (refusal !== undefined) reject(refusal);
  });
  connection.on('gap', ({ gap }) => reportGap(gap, terminal));
  connection.on('error', ({ error }) => reject(refusedError(error, hub)));
  process.once('SIGINT', () => {
    if (lastId !== undefined)
      terminal.notice(
        terminal.noticeStyle(
          'dim',
          pasteable(`to continue: polycast follow ${patterns.map(quoted).join(' ')} --after ${lastId}`),
        ),
      );
    resolve('done');
  });
  process.once('SIGTERM', () => resolve('done'));
  connection.subscribe(patterns, show, subscribeOptions(options));
  return promise;
}

function subscribeOptions({ after, history, types }: FollowOptions): SubscribeOptions {
  return {
    ...(after !== undefined && { after }),
    ...(history !== undefined && { history }),
    ...(types.length > 0 && { types }),
  };
}

/** Prints the state of the connection; returns the error that ends it permanently. */
function reportState(
  { state, transport, why, error }: StateChange,
  hub: HubAddress,
  { notice, noticeStyle }: Terminal,
): CliError | undefined {
  if (state === 'open') notice(noticeStyle('dim', `following by ${transport}`));
  if (state === 'waiting') notice(noticeStyle('yellow', `${why ?? 'connection lost'}; retrying`));
  if (state !== 'closed' || (error === undefined && why === undefined)) return undefined;
  return error === undefined ? new CliError('failed', `connection closed: ${why}`) : refusedError(error, hub);
}

function reportGap({ from, to, reason }: Gap, { notice, noticeStyle }: Terminal): void {
  notice(noticeStyle('yellow', `gap: events after ${from} up to ${to} cannot be delivered: ${GAP_REASONS[reason]}`));
}

function refusedError(error: unknown, hub: HubAddress): CliError {
  const { code, message } = error as { code?: string; message: string };
  return new CliError('failed', code === undefined ? message : `refused: ${message} (${code})`, keyHint(hub, code));
}

function quoted(pattern: string): string {
  return /[*>]/.test(pattern) ? `'${pattern}'` : pattern;
}
