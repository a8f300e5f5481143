import { TRANSPORTS } from '@polycast/protocol';
import type { HubSelf } from '../administration/hub-self.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { Log } from '../core/ports.ts';
import type { HubBase } from './base.ts';

interface HubSelfNeeds {
  readonly log: Log;
  readonly sessions: Pick<Sessions, 'count'>;
  readonly notReadyReason: () => string | undefined;
  readonly problems: () => readonly string[];
  readonly address: () => string;
}

/** The function that says what the other hubs of a cluster want to know of this one. */
export function hubSelf({ world }: Pick<HubBase, 'world'>, needs: HubSelfNeeds): () => HubSelf {
  const { log, sessions, notReadyReason, problems, address } = needs;
  const startedMs = world.clock.monotonicMs();
  return () => {
    const why = notReadyReason();
    return {
      hub: log.shared?.others.self ?? '',
      address: address(),
      ready: why === undefined,
      why: why ?? null,
      problems: problems(),
      block: log.stats()['appliedSequence'] ?? 0,
      head: log.state.head,
      sessions: TRANSPORTS.reduce((sum, name) => sum + sessions.count(name), 0),
      uptimeSeconds: Math.floor((world.clock.monotonicMs() - startedMs) / 1000),
    };
  };
}
