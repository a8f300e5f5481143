import { parseCursor, PolycastError } from '@polycast/protocol';
import type { StoredRecord } from '../../core/ports.ts';
import type { DeadLetter, EventPosition } from '../state/ports.ts';
import type { SubscriptionParts } from './parts.ts';

/**
 * Parses the id of an event. The id may belong to a previous log: attempts and dead letters of its
 * events are still stored.
 * @throws PolycastError `invalid_cursor`
 */
export function parseEventId({ log }: SubscriptionParts, text: string): EventPosition {
  const { epoch, head } = log.state;
  const cursor = parseCursor(text);
  if (cursor !== undefined && (cursor.epoch !== epoch || cursor.position <= head)) return cursor;
  throw new PolycastError('invalid_cursor', 'It must be the id of an event.');
}

/**
 * Reads an event; `undefined` if retention has removed it or its log no longer exists.
 * @param pattern matches the event's channel
 */
export async function recordAt(
  { feed, log }: SubscriptionParts,
  { epoch, position }: EventPosition,
  pattern: string,
): Promise<StoredRecord | undefined> {
  if (epoch !== log.state.epoch) return undefined;
  const { records } = await feed.read(feed.interest([pattern]), position - 1, position, 'forward', 1, 1);
  return records[0];
}

/** The dead letter of an event and a subscription; `undefined` if there is none. */
export async function deadLetterAt(
  { subscriptions }: SubscriptionParts,
  subscription: string,
  { epoch, position }: EventPosition,
): Promise<DeadLetter | undefined> {
  const [deadLetter] = await subscriptions.deadLetters(subscription, {
    after: { epoch, position: position - 1 },
    limit: 1,
  });
  return deadLetter?.epoch === epoch && deadLetter.position === position ? deadLetter : undefined;
}
