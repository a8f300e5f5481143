import type { Sender, SubscriptionService } from '../../state/ports.ts';
import { denial } from './callback-verification.ts';

/**
 * A desk for operators: whose WebSub subscription they take away is told so (WebSub section 5.2).
 * @param service whose members are its own, as those of `auditedDesk` are
 */
export function notifyOnRemove(service: SubscriptionService, sender: Sender): SubscriptionService {
  return {
    ...service,
    async remove(id, by) {
      const subscription = service.get(id);
      await service.remove(id, by);
      if (subscription === undefined || subscription.status.state === 'ended') return;
      const { delivery, metadata } = subscription.definition;
      if (delivery.kind !== 'webhook' || delivery.dialect !== 'websub') return;
      // What it answers is of no account.
      void sender.send(denial(metadata['topic'] ?? '', delivery.url, 'The hub has ended the subscription.'));
    },
  };
}
