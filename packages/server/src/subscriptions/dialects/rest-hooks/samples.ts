import { isPattern } from '@polycast/protocol';
import type { EventTypes } from '../../../core/events/event-types.ts';
import type { Principal } from '../../../core/access/principal.ts';
import { invalidParameter } from '../../../streams/events-query.ts';
import { authorize } from '../../../auth/permission.ts';
import type { Services } from '../../../http/services.ts';
import { storedContent } from '../../../streams/stored-content.ts';

const SAMPLES_MAX = 3;
const SAMPLES_BYTES_MAX = 256 * 1024;

/**
 * Data such as a hook of this event will get: the catalogue's sample, or, of a channel, what was published there last. An array, as
 * clients expect it; empty where there is none.
 * @throws PolycastError `invalid_parameter`, and what reading back the channel may throw
 */
export async function samplesOf(
  { services, eventTypes }: { readonly services: Services; readonly eventTypes: EventTypes },
  principal: Principal,
  event: string,
): Promise<readonly unknown[]> {
  const type = eventTypes.get(event);
  if (type !== undefined) return type.sample === undefined ? [] : [JSON.parse(type.sample) as unknown];
  if (!isPattern(event)) throw invalidParameter('event', 'must be a type of events, or a channel');
  await authorize(services, principal, 'subscribe', [event]);
  await authorize(services, principal, 'history', [event]);
  const { feed } = services;
  const page = await feed.read(feed.interest([event]), 0, feed.head, 'backward', SAMPLES_MAX, SAMPLES_BYTES_MAX);
  return page.records.flatMap(({ body }) => {
    const { mediaType, bytes } = storedContent(body);
    return mediaType === 'application/json' ? [JSON.parse(Buffer.from(bytes).toString()) as unknown] : [];
  });
}
