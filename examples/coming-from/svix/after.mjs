import { createPublisher } from '@polycast/client/server';

const url = process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400';
const endpoint = process.env.ENDPOINT ?? 'http://127.0.0.1:3918/hook';

// Once for each endpoint: a subscription to the channels of the customer,
// with the secret from Svix.
const created = await fetch(`${url}/v1/subscriptions/customer-42-endpoint-1`, {
  method: 'PUT',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    channels: ['customers.42.>'],
    delivery: { kind: 'webhook', url: endpoint, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  }),
});
if (!created.ok) throw new Error(await created.text());

// "Accepted" means on the disk of the hub. The hub sends, signs and retries, also after a crash.
const publisher = createPublisher(url);
for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  await publisher.publish('customers.42.orders', { order: 42 }, { type });
  console.log('accepted', type);
}
