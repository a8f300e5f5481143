import { hostname } from 'node:os';
import { TRANSPORTS } from '@polycast/protocol';
import type { AdministrationParts } from '../../administration/administration-parts.ts';
import type { Sessions } from '../../auth/sessions.ts';
import type { Log } from '../../core/ports.ts';
import type { HubBase } from '../base.ts';

interface HubSelfNeeds {
  readonly log: Log;
  readonly sessions: Pick<Sessions, 'count'>;
  readonly notReadyReason: () => string | undefined;
  readonly problems: () => readonly string[];
  readonly address: () => string;
}

/** What a hub knows of its place in a cluster, and what it says of itself to the other hubs. */
export function hubSelf(
  { config, world }: Pick<HubBase, 'config' | 'world'>,
  { log, sessions, notReadyReason, problems, address }: HubSelfNeeds,
): Pick<AdministrationParts, 'place' | 'self'> {
  const { shared } = log;
  const host = hostname();
  const startedMs = world.clock.monotonicMs();
  return {
    place: () =>
      shared && { name: config.cluster.name, hub: shared.others.self, host, hubs: shared.others.names.length + 1 },
    self() {
      const why = notReadyReason();
      return {
        hub: shared?.others.self ?? '',
        address: address(),
        ready: why === undefined,
        why: why ?? null,
        problems: problems(),
        block: log.stats()['appliedSequence'] ?? 0,
        head: log.state.head,
        sessions: TRANSPORTS.reduce((sum, name) => sum + sessions.count(name), 0),
        uptimeSeconds: Math.floor((world.clock.monotonicMs() - startedMs) / 1000),
      };
    },
  };
}
