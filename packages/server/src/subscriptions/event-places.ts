import { parseCursor, PolycastError } from '@polycast/protocol';
import type { StoredRecord } from '../core/ports.ts';
import type { DeadLetter, EventPlace } from '../core/subscription/ports.ts';
import type { SubscriptionParts } from './parts.ts';

/**
 * What the id of an event says. That may be of a log that is no more: what became of its events is still kept.
 * @throws PolycastError `invalid_cursor`
 */
export function placeOf({ services }: SubscriptionParts, text: string): EventPlace {
  const { epoch, head } = services.log.state;
  const cursor = parseCursor(text);
  if (cursor !== undefined && (cursor.epoch !== epoch || cursor.position <= head)) return cursor;
  throw new PolycastError('invalid_cursor', 'The id of an event is expected.');
}

/** The event itself; `undefined` when retention has removed it, or its log is no more. @param pattern of its channel */
export async function recordAt(
  { services }: SubscriptionParts,
  { epoch, position }: EventPlace,
  pattern: string,
): Promise<StoredRecord | undefined> {
  const { feed, log } = services;
  if (epoch !== log.state.epoch) return undefined;
  const { records } = await feed.read(feed.interest([pattern]), position - 1, position, 'forward', 1, 1);
  return records[0];
}

/** The dead letter that an event has become for a subscription, if it has. */
export async function letterAt(
  { desk }: SubscriptionParts,
  subscription: string,
  { epoch, position }: EventPlace,
): Promise<DeadLetter | undefined> {
  const [letter] = await desk.deadLetters(subscription, { after: { epoch, position: position - 1 }, limit: 1 });
  return letter?.epoch === epoch && letter.position === position ? letter : undefined;
}
