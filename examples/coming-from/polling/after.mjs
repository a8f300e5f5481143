import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';

const url = process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400';

// The page: the hub sends each change at once.
const connection = connect(url);
const changes = connection.subscribe('orders.42');
await changes.joined;

// The backend: it publishes each change where it wrote the order before.
const publisher = createPublisher(url);
for (const type of ['order.placed', 'order.baked', 'order.sent'])
  await publisher.publish('orders.42', { order: 42 }, { type });

for await (const { type, data } of changes) {
  console.log(type, data);
  if (type === 'order.sent') break;
}
connection.close();
