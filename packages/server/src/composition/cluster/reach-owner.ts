import type { Duplex } from 'node:stream';
import { PolycastError } from '@polycast/protocol';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';

/**
 * A request waits this long for a hub that works: longer than a killed hub takes to be replaced.
 */
export const OWNER_WAIT_MS = 10_000;
/** The wait for the answer of a hub that may have been killed, and between two attempts. */
export const CONNECT_TIMEOUT_MS = 1_000;
export const RETRY_INTERVAL_MS = 100;

interface ReachOptions<Used> {
  /** Uses a connection to the hub that works. `undefined`: that hub works no more, try again. */
  readonly use: (connection: Duplex, owner: string) => Promise<Used | undefined>;
  /** Whether the client has gone. */
  readonly isOver: () => boolean;
  readonly mayForward?: () => boolean;
}

/**
 * Reaches the hub that works on subscriptions, and waits for one if there is none.
 * `undefined`: it is this hub.
 * @throws PolycastError
 */
export async function reachOwner<Used>(
  subscriptions: ClusterSubscriptions,
  { use, isOver, mayForward = () => true }: ReachOptions<Used>,
): Promise<Used | undefined> {
  const untilMs = performance.now() + OWNER_WAIT_MS;
  while (performance.now() < untilMs && !isOver()) {
    if (subscriptions.isWorking) return undefined;
    const { refusal } = subscriptions;
    if (refusal !== undefined) throw refusal;
    const { owner } = subscriptions.lease;
    const connection = mayForward() ? await subscriptions.connect(CONNECT_TIMEOUT_MS) : undefined;
    const used = connection && (await use(connection, owner));
    if (used !== undefined) return used;
    await subscriptions.changed(RETRY_INTERVAL_MS);
  }
  throw noOwner();
}

export function noOwner(): PolycastError {
  return new PolycastError('log_unavailable', 'No hub works on subscriptions at the moment.', { retryAfterMs: 1000 });
}
