import { isPattern } from '@polycast/protocol';
import { invalidParameter } from '../../../http/refusals.ts';
import type { Feed } from '../../../core/feed.ts';
import type { EventTypes } from '../../../core/events/event-types.ts';
import type { Principal } from '../../../core/access/principal.ts';
import type { AuthParts } from '../../../auth/auth-parts.ts';
import { authorize } from '../../../auth/permission.ts';
import { storedContent } from '../../../streams/stored-content.ts';

const SAMPLES_MAX = 3;
const SAMPLES_BYTES_MAX = 256 * 1024;

/**
 * Sample data for a hook of this event: the catalogue's sample of a type, or the newest events of a
 * channel. Clients expect an array. It is empty if there is no sample.
 * @throws PolycastError `invalid_parameter`, and the errors of reading a channel's history
 */
export async function samplesOf(
  { auth, feed, eventTypes }: { readonly auth: AuthParts; readonly feed: Feed; readonly eventTypes: EventTypes },
  principal: Principal,
  event: string,
): Promise<readonly unknown[]> {
  const type = eventTypes.get(event);
  if (type !== undefined) return type.sample === undefined ? [] : [JSON.parse(type.sample) as unknown];
  if (!isPattern(event)) throw invalidParameter('event', 'must be an event type or a channel');
  await authorize(auth, principal, 'subscribe', [event]);
  await authorize(auth, principal, 'history', [event]);
  const page = await feed.read(feed.interest([event]), 0, feed.head, 'backward', SAMPLES_MAX, SAMPLES_BYTES_MAX);
  return page.records.flatMap(({ body }) => {
    const { mediaType, bytes } = storedContent(body);
    return mediaType === 'application/json' ? [JSON.parse(Buffer.from(bytes).toString()) as unknown] : [];
  });
}
