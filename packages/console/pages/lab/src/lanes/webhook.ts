import type { Transport } from './transport.ts';

export const webhook: Transport = async ({ url, channel, secret, signal }) => {
  const delivery = { kind: 'webhook', url, secret, retryDelaysSeconds: [1, 2, 3, 5, 8, 13] };
  const answer = await fetch('/v1/subscriptions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channels: [channel], start: 'earliest', delivery }),
  });
  if (!answer.ok) throw new Error(`refused: ${answer.status}`);
  const { id } = await answer.json();
  // From here on the hub calls. What a receiver does is in the guide.
  signal.addEventListener('abort', () => {
    void fetch(`/v1/subscriptions/${id}`, { method: 'DELETE' });
  });
};
