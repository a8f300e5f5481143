import type { Published, PolycastEvent, PublishOptions, SubscribeOptions } from '@polycast/client';
import { useCallback, useEffect, useMemo, useRef } from 'react';
import { channelSource, type ChannelSnapshot } from './channel-source.ts';
import { useProvidedConnection } from './provider.ts';
import { createStore, useStore } from './store.ts';

export interface ChannelOptions<Data = unknown> extends Pick<SubscribeOptions, 'after' | 'history' | 'types'> {
  /**
   * The most events that `events` holds; the oldest leave it first. 0: only `onEvent`.
   * @default 200
   */
  readonly eventsMax?: number;
  /** Called with each event, once, in order. It may be another function in each render. */
  readonly onEvent?: (event: PolycastEvent<Data>) => void;
}

export interface Channel<Data = unknown> extends ChannelSnapshot<Data> {
  /** Publishes to the channel; with several channels or a pattern, to the one that is named. */
  readonly publish: (data: unknown, options?: PublishOptions & { readonly channel?: string }) => Promise<Published>;
}

const EVENTS_MAX = 200;

/**
 * The events of a channel, of several, or of a pattern: `const { events, publish } =
 * useChannel<Note>('board.7', { history: 100 })`. Other channels or another start begin anew.
 */
export function useChannel<Data = unknown>(
  channels: string | readonly string[],
  { eventsMax = EVENTS_MAX, onEvent, ...begin }: ChannelOptions<Data> = {},
): Channel<Data> {
  const connection = useProvidedConnection();
  const listener = useRef(onEvent);
  useEffect(() => {
    listener.current = onEvent;
  });
  // Lists and options are new objects in each render: equal ones are one subscription.
  const key = JSON.stringify([channels, begin, eventsMax]);
  const store = useMemo(() => {
    const [wanted, start, max] = JSON.parse(key) as [typeof channels, typeof begin, number];
    return createStore(
      channelSource<Data>(connection, {
        ...start,
        channels: wanted,
        eventsMax: max,
        onEvent: (event) => listener.current?.(event),
      }),
    );
  }, [connection, key]);
  const snapshot = useStore(store);
  const only = typeof channels === 'string' ? channels : channels.length === 1 ? channels[0] : undefined;
  const publish = useCallback<Channel<Data>['publish']>(
    async (data, { channel = only, ...options } = {}) => {
      if (connection === undefined) throw new Error('A server that renders pages has no connection to publish with.');
      return connection.publish(channel ?? '', data, options);
    },
    [connection, only],
  );
  return { ...snapshot, publish };
}
