import type { Connection, PolycastError } from '@polycast/client';
import { presence, type Presence } from '@polycast/client/presence';
import { useMemo } from 'react';
import { useProvidedConnection } from './provider.ts';
import { createStore, useStore, type Source } from './store.ts';

export interface PresenceState extends Presence {
  /** Whether the hub has sent the list of members. Before that, `members` is empty. */
  readonly isKnown: boolean;
  /** The hub's refusal. */
  readonly error: PolycastError | undefined;
}

/**
 * Who is present in a channel: `const { members } = usePresence('board.7')`. The rule of the
 * channel needs `presence`. To be present oneself, use the channel too.
 */
export function usePresence(channel: string): PresenceState {
  const connection = useProvidedConnection();
  const store = useMemo(() => createStore(presenceSource(connection, channel)), [connection, channel]);
  return useStore(store);
}

const NOBODY: PresenceState = {
  members: [],
  listed: true,
  users: 0,
  anonymous: 0,
  change: undefined,
  isKnown: false,
  error: undefined,
};

function presenceSource(connection: Connection | undefined, channel: string): Source<PresenceState> {
  return {
    initial: NOBODY,
    start(report) {
      if (connection === undefined) return () => undefined;
      const watch = presence(connection, channel);
      const follow = async (): Promise<void> => {
        for await (const current of watch) report({ ...current, isKnown: true, error: undefined });
      };
      follow().catch((error: unknown) => report({ ...NOBODY, error: error as PolycastError }));
      return () => watch.close();
    },
  };
}
