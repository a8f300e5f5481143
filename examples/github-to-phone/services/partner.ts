// Another company's server: it gets the paid invoices as webhooks of the hub, signed by the hub.
import { createServer } from 'node:http';
import { createReceiver, memorySeen } from '@polycast/client/webhooks';

const { PORT, POLYCAST_URL, POLYCAST_KEY } = process.env;

const invoices: unknown[] = [];
const receiver = createReceiver(
  { secrets: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', seen: memorySeen() },
  ({ data }) => void invoices.push((data as { data: { object: unknown } }).data.object),
);

createServer((request, response) => {
  if (request.url === '/hook') return receiver.node(request, response);
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(invoices));
}).listen(Number(PORT), '127.0.0.1', subscribe);

/** The hub asks the endpoint first whether it wants the events; the receiver answers. */
async function subscribe(): Promise<void> {
  const created = await fetch(`${POLYCAST_URL}/v1/subscriptions/partner`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${POLYCAST_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      channels: ['inbox.stripe'],
      types: ['invoice.paid'],
      delivery: {
        kind: 'webhook',
        url: `http://127.0.0.1:${PORT}/hook`,
        secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      },
    }),
  });
  if (!created.ok) throw new Error(await created.text());
}
