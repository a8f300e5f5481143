import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';

const url = process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400';

// The page: a channel takes the place of the room. Rules decide who may read it.
const connection = connect(url);
const order = connection.subscribe('orders.42');
await order.joined;

// The backend: it publishes, in this process or in any other one.
// A reconnecting page misses nothing.
const publisher = createPublisher(url);
for (const type of ['order.placed', 'order.baked', 'order.sent'])
  await publisher.publish('orders.42', { order: 42 }, { type });

// The page again.
for await (const { type, data } of order) {
  console.log(type, data);
  if (type === 'order.sent') break;
}
connection.close();
