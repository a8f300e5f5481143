import { Svix } from 'svix';

const svix = new Svix(process.env.SVIX_TOKEN, { serverUrl: process.env.SVIX_URL ?? 'http://127.0.0.1:8071' });
const url = process.env.ENDPOINT ?? 'http://127.0.0.1:3918/hook';

// Once for each customer: an application, and an endpoint in it.
await svix.application.getOrCreate({ name: 'Customer 42', uid: 'customer-42' });
await svix.endpoint.create(
  'customer-42',
  { uid: 'endpoint-1', url, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  { idempotencyKey: 'customer-42-endpoint-1' },
);

for (const eventType of ['order.placed', 'order.baked', 'order.sent']) {
  const payload = { type: eventType, data: { order: 42 } };
  await svix.message.create('customer-42', { eventType, payload });
  console.log('accepted', eventType);
}
