import type { Sender, SubscriptionService } from '../../state/ports.ts';
import { webSub } from './dialect.ts';
import { denial } from './callback-verification.ts';

/**
 * A service for operators. When an operator removes a WebSub subscription, its callback receives a
 * denial (WebSub section 5.2).
 * @param service has its methods as own properties, like the result of `auditedService`
 */
export function notifyOnRemove(service: SubscriptionService, sender: Sender): SubscriptionService {
  return {
    ...service,
    async remove(id, by) {
      const subscription = service.get(id);
      await service.remove(id, by);
      if (subscription === undefined || subscription.status.state === 'ended') return;
      const { delivery, metadata } = subscription.definition;
      if (delivery.kind !== 'webhook' || delivery.dialect !== webSub.name) return;
      // The response does not matter.
      void sender.send(denial(metadata['topic'] ?? '', delivery.url, 'The hub has ended the subscription.'));
    },
  };
}
