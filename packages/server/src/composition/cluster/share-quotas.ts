import type { ConnectionQuota } from '../../auth/connection-quota.ts';
import { QuotaOfHubs } from '../../auth/quota-of-hubs.ts';
import type { Sessions } from '../../auth/sessions.ts';
import type { OtherHubs } from '../../core/cluster-state.ts';
import type { HubBase } from '../base.ts';

/** Counts the sessions of users and addresses at all hubs of the cluster. */
export function shareQuotas(
  { shutdown }: Pick<HubBase, 'shutdown'>,
  others: OtherHubs,
  sessions: Sessions,
  quota: ConnectionQuota,
): void {
  const quotas = new QuotaOfHubs(others, sessions, quota);
  quotas.start();
  shutdown.onDrain(() => quotas.drain());
  shutdown.add('tasks', () => quotas.close());
}
