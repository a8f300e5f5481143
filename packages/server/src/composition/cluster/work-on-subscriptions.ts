import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { DialectService } from '../../subscriptions/dialects/dialect-service.ts';
import type { SubscriptionEngine } from '../../subscriptions/subscription-engine.ts';
import type { ErasureTask } from '../../operate/erasure-task.ts';
import type { HubBase } from '../base.ts';

/**
 * The engine of a hub in a cluster works while the hub has the lease on subscriptions. A drain
 * gives the lease away at its start, so that deliveries go on at another hub. The same hub erases:
 * subscriptions hold events, too.
 */
export function workOnSubscriptions(
  { shutdown, logger }: Pick<HubBase, 'shutdown' | 'logger'>,
  subscriptions: ClusterSubscriptions,
  engine: Pick<SubscriptionEngine, 'start' | 'close'>,
  dialects: Pick<DialectService, 'start' | 'close'>,
  erasure: Pick<ErasureTask, 'start' | 'close'>,
): void {
  subscriptions.start(() => {
    engine.start();
    dialects.start();
    erasure.start();
  });
  shutdown.onDrain(() => {
    subscriptions.leave();
    Promise.all([dialects.close(), erasure.close()])
      .then(() => engine.close())
      .catch((error: unknown) => logger.error({ error: String(error) }, 'subscriptions: close failed'));
  });
}
