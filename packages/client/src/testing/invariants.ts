import type { Gap, PolycastEvent } from '@polycast/protocol';
import { wakeAtMs } from '../machine/machine.ts';
import type { Start, State } from '../machine/state.ts';
import { covers, positionOf } from './cursors.ts';

/** The record of a subscription, for the checks. */
export interface Consumer {
  readonly channels: readonly string[];
  readonly types: readonly string[] | undefined;
  readonly start: Start;
  readonly delivered: string[];
  readonly gaps: Gap[];
  /** The number of events at the time it joined; undefined until then. */
  joinedAt: number | undefined;
  readonly bufferMax: number;
  buffered: number;
  failed: boolean;
}

/**
 * Checks that each consumer has all its events, or a gap instead: from its chosen start or its
 * first event, to the end.
 * @param trimmedThrough retention has removed the events up to here
 */
export function checkComplete(
  consumers: Iterable<Consumer>,
  log: readonly PolycastEvent[],
  trimmedThrough: number,
): void {
  for (const { failed, channels, types, start, joinedAt, delivered, gaps } of consumers) {
    if (failed) continue;
    const matching = log
      .filter((event) => covers(channels, event) && (types?.includes(event.type ?? '') ?? true))
      .map(({ id }) => id);
    const { after = 'now', history } = start;
    const wanted = after === 'now' ? (joinedAt ?? log.length) : after === 'earliest' ? 0 : positionOf(after);
    const begin = Math.min(wanted, delivered[0] === undefined ? wanted : positionOf(delivered[0]) - 1);
    const missing = matching.filter((id) => positionOf(id) > begin && !delivered.includes(id));
    const unreported = missing.filter((id) => !gaps.some(({ from, to }) => from < id && id <= to));
    if (unreported.length > 0) throw new Error(`Missing and untold: ${unreported.join()}`);
    if (trimmedThrough > 0) continue;
    if (gaps.length > 0) throw new Error('A gap where nothing is lost.');
    if (history !== undefined && delivered.length < Math.min(history, matching.length))
      throw new Error('The history was not given.');
  }
}

/**
 * Checks the next event of a consumer, before its delivery.
 * @param mayGoBack the log was rolled back
 */
export function checkDelivered({ channels, delivered }: Consumer, event: PolycastEvent, mayGoBack: boolean): void {
  const last = delivered.at(-1);
  if (last !== undefined && event.id <= last && !mayGoBack) throw new Error(`${event.id} was delivered after ${last}.`);
  if (!covers(channels, event)) throw new Error(`${event.channel} was not asked for.`);
}

export function checkMonotonic(before: State, after: State): void {
  if (after.position < before.position) throw new Error('The stream went back.');
  for (const subscription of after.subscriptions) {
    const old = before.subscriptions.find(({ id }) => id === subscription.id);
    if (old !== undefined && subscription.cursor < old.cursor) throw new Error('A cursor went back.');
  }
}

/** @param streams the number of open streams */
export function checkPhase(state: State, streams: number): void {
  const { phase } = state;
  const wakeMs = wakeAtMs(state);
  const isAtRest = phase.kind === 'idle' || phase.kind === 'closed';
  if (isAtRest ? wakeMs !== Infinity : wakeMs === Infinity) throw new Error(`Waiting for nothing in ${phase.kind}.`);
  if (isAtRest && streams > 0) throw new Error('A stream was left open.');
  if (streams > 2) throw new Error('Too many streams.');
  if (phase.kind === 'idle' && state.subscriptions.length > 0) throw new Error('Idle, with subscriptions.');
}
