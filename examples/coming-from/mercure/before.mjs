const hub = process.env.MERCURE_URL ?? 'http://127.0.0.1:3000/.well-known/mercure';
const token = process.env.MERCURE_PUBLISHER_TOKEN;
const topic = 'https://shop.example/orders/42';

// The page.
const source = new EventSource(`${hub}?topic=${encodeURIComponent(topic)}`);
source.onmessage = ({ data }) => {
  const { type, ...rest } = JSON.parse(data);
  console.log(type, rest);
  if (type === 'order.sent') source.close();
};
await new Promise((resolve) => (source.onopen = resolve));

// The backend.
for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  const response = await fetch(hub, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: new URLSearchParams({ topic, data: JSON.stringify({ type, order: 42 }) }),
  });
  if (!response.ok) throw new Error(await response.text());
}
