import type { Sender, SubscriptionDesk } from '../../core/subscription/ports.ts';
import { denial } from './verification.ts';

/**
 * A desk for operators: whose WebSub subscription they take away is told so (WebSub section 5.2).
 * @param desk whose members are its own, as those of `auditedDesk` are
 */
export function tellingDesk(desk: SubscriptionDesk, sender: Sender): SubscriptionDesk {
  return {
    ...desk,
    async remove(id, by) {
      const subscription = desk.get(id);
      await desk.remove(id, by);
      if (subscription === undefined || subscription.standing.state === 'ended') return;
      const { delivery, metadata } = subscription.definition;
      if (delivery.kind !== 'webhook' || delivery.dialect !== 'websub') return;
      // What it answers is of no account.
      void sender.send(denial(metadata['topic'] ?? '', delivery.url, 'The hub has ended the subscription.'));
    },
  };
}
