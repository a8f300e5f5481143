import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

const endpoint = process.env.ENDPOINT ?? 'http://127.0.0.1:3918/hook';
const webhook = new Webhook('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

// The deliveries that wait for their next attempt are in memory. A crash loses them.
function send(event) {
  return attempt(`msg_${randomUUID()}`, JSON.stringify(event), 1);
}

async function attempt(id, body, number) {
  const time = new Date();
  const headers = {
    'Content-Type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
    'webhook-signature': webhook.sign(id, time, body),
  };
  const isDelivered = await fetch(endpoint, { method: 'POST', headers, body }).then(
    ({ ok }) => ok,
    () => false,
  );
  // Each event is retried by itself. Events that failed arrive after newer ones.
  if (!isDelivered && number < 10) setTimeout(() => void attempt(id, body, number + 1), 250 * 2 ** number);
}

for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  await send({ type, timestamp: new Date().toISOString(), data: { order: 42 } });
  console.log('accepted', type);
}
