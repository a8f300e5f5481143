import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';

const url = process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400';

// The page.
const client = connect(url);
const channel = client.subscribe('orders.42', ({ type, data }) => {
  console.log(type, data);
  if (type === 'order.sent') client.close();
});
await channel.joined;

// The backend: `trigger(channel, event, data)` is `publish(channel, data, { type })`.
const publisher = createPublisher(url);
for (const type of ['order.placed', 'order.baked', 'order.sent'])
  await publisher.publish('orders.42', { order: 42 }, { type });
