const hub = `${process.env.POLYCAST_URL ?? 'http://127.0.0.1:7400'}/v1/events`;

// The page: still EventSource. The event stands in an envelope with its channel, type and id.
const source = new EventSource(`${hub}?channel=orders.42`);
source.onmessage = ({ data: text }) => {
  const { type, data } = JSON.parse(text);
  console.log(type, data);
  if (type === 'order.sent') source.close();
};
await new Promise((resolve) => (source.onopen = resolve));

// The backend: JSON in the place of a form.
for (const type of ['order.placed', 'order.baked', 'order.sent']) {
  const response = await fetch(hub, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel: 'orders.42', type, data: { order: 42 } }),
  });
  if (!response.ok) throw new Error(await response.text());
}
