import type { PolycastEvent } from '@polycast/client';
import { useChannel, type Channel } from './use-channel.ts';

export interface Latest<Data = unknown> extends Omit<Channel<Data>, 'events'> {
  /** The newest value; undefined until the first one arrives. */
  readonly data: Data | undefined;
  /** Its event. The `id` is the condition of a change: `publish(next, { ifMatch: event.id })`. */
  readonly event: PolycastEvent<Data> | undefined;
}

/**
 * The newest value of a channel, such as one with `retain: latest`: `const { data } =
 * useLatest<Price>('prices.ACME')`.
 */
export function useLatest<Data = unknown>(channel: string): Latest<Data> {
  const { events, ...rest } = useChannel<Data>(channel, { history: 1, eventsMax: 1 });
  const event = events[0];
  return { ...rest, data: event?.data, event };
}
