import { createServer } from 'node:http';
import { createReceiver, memorySeen } from '@polycast/client/webhooks';

/** Another company's system. It receives signed webhooks, and knows nothing else of the kitchen. */
const { PORT, EXAMPLE_SECRET } = process.env;
const arrivals: { order: string; state: string; delayMs: number }[] = [];

const receiver = createReceiver({ secrets: `whsec_${EXAMPLE_SECRET}`, seen: memorySeen() }, ({ data, time }) => {
  arrivals.push({ ...(data as { order: string; state: string }), delayMs: Date.now() - Date.parse(time) });
});

createServer((request, response) => {
  if (request.url === '/hook') return void receiver.node(request, response);
  const order = request.url?.split('/').at(-1);
  response
    .setHeader('Content-Type', 'application/json')
    .end(JSON.stringify(arrivals.filter((each) => each.order === order)));
}).listen(Number(PORT), '127.0.0.1');
