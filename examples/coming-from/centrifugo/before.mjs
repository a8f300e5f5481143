import { Centrifuge } from 'centrifuge';

const host = process.env.CENTRIFUGO_HOST ?? '127.0.0.1:8000';

// The page.
const client = new Centrifuge(`ws://${host}/connection/websocket`);
const order = client.newSubscription('orders:42');
order.on('publication', ({ data: { type, ...data } }) => {
  console.log(type, data);
  if (type === 'order.sent') client.disconnect();
});
order.subscribe();
client.connect();
await order.ready();

// The backend.
for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  const response = await fetch(`http://${host}/api/publish`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': 'a key for this example' },
    body: JSON.stringify({ channel: 'orders:42', data: { type, order: 42 } }),
  });
  const { error } = await response.json();
  if (error) throw new Error(error.message);
}
