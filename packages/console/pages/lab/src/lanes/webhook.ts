import type { Transport } from './transport.ts';

export const webhook: Transport = async ({ url, channel, secret, signal }) => {
  const delivery = { kind: 'webhook', url, secret, retryDelaysSeconds: [1, 2, 3, 5, 8, 13] };
  // The end of the subscription, in case this page is closed before it can delete it.
  const expires = new Date(Date.now() + 600_000).toISOString();
  const answer = await fetch('/v1/subscriptions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channels: [channel], start: 'earliest', expires, delivery }),
  });
  if (!answer.ok) throw new Error(`refused: ${answer.status}`);
  const { id } = await answer.json();
  // From now on the hub sends the requests. The guide shows a receiver.
  signal.addEventListener('abort', () => {
    void fetch(`/v1/subscriptions/${id}`, { method: 'DELETE' });
  });
};
