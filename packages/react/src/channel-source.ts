import type { Connection, Gap, PolycastEvent, PolycastError, SubscribeOptions, Subscription } from '@polycast/client';
import type { Source } from './store.ts';

/** The events of a subscription so far. It is immutable: each change gives a new one. */
export interface ChannelSnapshot<Data> {
  /** The newest events, oldest first; at most `eventsMax`. */
  readonly events: readonly PolycastEvent<Data>[];
  /** Whether every event that is published from now on arrives. */
  readonly isJoined: boolean;
  /** The last gap: events that can no longer be delivered. Load what they would have changed. */
  readonly gap: Gap | undefined;
  /**
   * The hub's refusal, also one after joining, or `invalid_pattern` for channels that no
   * hub would accept.
   */
  readonly error: PolycastError | undefined;
}

/** Where the events begin, and which of them are wanted. */
export type ChannelStart = Pick<SubscribeOptions, 'after' | 'history' | 'types'>;

export interface ChannelSourceOptions<Data> extends ChannelStart {
  readonly channels: string | readonly string[];
  readonly eventsMax: number;
  /** Called with each event, once, in order. */
  readonly onEvent: (event: PolycastEvent<Data>) => void;
}

/**
 * Collects the events of a subscription. A burst makes one snapshot: a stream brings each event in
 * a task of its own, and a timer runs behind those that wait already.
 */
export function channelSource<Data>(
  connection: Connection | undefined,
  { channels, eventsMax, onEvent, ...begin }: ChannelSourceOptions<Data>,
): Source<ChannelSnapshot<Data>> {
  let snapshot: ChannelSnapshot<Data> = { events: [], isJoined: false, gap: undefined, error: undefined };
  /** The place to continue from after a stop. */
  let cursor = '';
  return { initial: snapshot, start };

  function start(report: (snapshot: ChannelSnapshot<Data>) => void): () => void {
    if (connection === undefined) return () => undefined;
    let isStopped = false;
    let arrived: PolycastEvent<Data>[] = [];
    const change = (more: Partial<ChannelSnapshot<Data>>): void => {
      if (!isStopped) report((snapshot = { ...snapshot, ...more }));
    };
    const flush = (): void => {
      if (arrived.length === 0) return;
      const events = [...snapshot.events, ...arrived].slice(-eventsMax);
      arrived = [];
      change({ events });
    };
    const receive = (event: PolycastEvent<Data>): void => {
      if (eventsMax > 0) {
        if (arrived.length === 0) setTimeout(flush, 0);
        arrived.push(event);
      }
      // Last: it is the page's, and may throw.
      onEvent(event);
    };
    const subscribe = (): Subscription<Data> =>
      connection.subscribe<Data>(channels, receive, {
        ...(cursor === '' ? begin : continueAfter(cursor, begin)),
        onGap: (gap) => change({ gap }),
        onRefused: (error) => change({ isJoined: false, error }),
      });
    let subscription: Subscription<Data>;
    try {
      subscription = subscribe();
    } catch (error) {
      // React would remove the whole page.
      change({ error: error as PolycastError });
      return () => undefined;
    }
    subscription.joined.then(
      () => change({ isJoined: true, error: undefined }),
      // `onRefused` has shown it.
      () => undefined,
    );
    const unlisten = connection.on('state', ({ state, error }) => {
      if (state === 'closed') change({ isJoined: false, error: error ?? snapshot.error });
    });
    return () => {
      flush();
      ({ cursor } = subscription);
      change({ isJoined: false });
      isStopped = true;
      unlisten();
      subscription.close();
    };
  }
}

function continueAfter(cursor: string, { types }: ChannelStart): ChannelStart {
  return types === undefined ? { after: cursor } : { after: cursor, types };
}
