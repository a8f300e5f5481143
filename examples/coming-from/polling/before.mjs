import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const port = Number(process.env.PORT ?? 3917);
let order = { type: 'order.placed', order: 42 };

// The backend: a route that answers with the order as it is now.
const site = createServer((_request, response) => {
  response.setHeader('Content-Type', 'application/json').end(JSON.stringify(order));
}).listen(port, '127.0.0.1');
await once(site, 'listening');

// The page: it asks ten times a second. Of two changes between two questions it sees the second.
async function follow() {
  for (let shown = ''; shown !== 'order.sent'; await sleep(100)) {
    const { type, ...data } = await (await fetch(`http://127.0.0.1:${port}/orders/42`)).json();
    if (type !== shown) console.log(type, data);
    shown = type;
  }
}

const following = follow();
for (const type of ['order.baked', 'order.sent']) {
  await sleep(1000);
  // After a question, so that the page sees each change also on a busy machine.
  await once(site, 'request');
  order = { ...order, type };
}
await following;
site.close();
