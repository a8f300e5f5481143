import Pusher from 'pusher';
import PusherClient from 'pusher-js';

const { PUSHER_APP_ID: appId, PUSHER_KEY: key, PUSHER_SECRET: secret, PUSHER_CLUSTER: cluster } = process.env;

// The page.
const client = new PusherClient(key, { cluster });
const channel = client.subscribe('orders-42');
channel.bind_global((type, data) => {
  if (type.startsWith('pusher:')) return;
  console.log(type, data);
  if (type === 'order.sent') client.disconnect();
});
await new Promise((resolve) => channel.bind('pusher:subscription_succeeded', resolve));

// The backend.
const pusher = new Pusher({ appId, key, secret, cluster, useTLS: true });
for (const type of ['order.placed', 'order.baked', 'order.sent'])
  await pusher.trigger('orders-42', type, { order: 42 });
