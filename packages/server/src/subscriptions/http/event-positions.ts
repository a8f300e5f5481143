import { parseCursor, PolycastError } from '@polycast/protocol';
import type { StoredRecord } from '../../core/ports.ts';
import type { DeadLetter, EventPosition } from '../state/ports.ts';
import type { SubscriptionParts } from './parts.ts';

/**
 * What the id of an event says. That may be of a log that is no more: what became of its events is still kept.
 * @throws PolycastError `invalid_cursor`
 */
export function parseEventId({ services }: SubscriptionParts, text: string): EventPosition {
  const { epoch, head } = services.log.state;
  const cursor = parseCursor(text);
  if (cursor !== undefined && (cursor.epoch !== epoch || cursor.position <= head)) return cursor;
  throw new PolycastError('invalid_cursor', 'The id of an event is expected.');
}

/** The event itself; `undefined` when retention has removed it, or its log is no more. @param pattern of its channel */
export async function recordAt(
  { services }: SubscriptionParts,
  { epoch, position }: EventPosition,
  pattern: string,
): Promise<StoredRecord | undefined> {
  const { feed, log } = services;
  if (epoch !== log.state.epoch) return undefined;
  const { records } = await feed.read(feed.interest([pattern]), position - 1, position, 'forward', 1, 1);
  return records[0];
}

/** The dead letter that an event has become for a subscription, if it has. */
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
