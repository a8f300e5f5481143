import { connect } from '@polycast/client';

const url = process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400';

// The page.
const client = connect(url);
const order = client.subscribe('orders.42', ({ type, data }) => {
  console.log(type, data);
  if (type === 'order.sent') client.close();
});
await order.joined;

// The backend: the status of the answer says whether the event is published.
for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel: 'orders.42', type, data: { order: 42 } }),
  });
  if (!response.ok) throw new Error(await response.text());
}
