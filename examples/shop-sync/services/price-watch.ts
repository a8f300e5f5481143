import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { keep, listen, once } from './partner.ts';

/**
 * A site that compares prices. It has no key: it finds the hub in the headers of the price list,
 * by WebSub.
 */
const topic = `${process.env['POLYCAST_URL']}/v1/channels/shop.prices`;
const secret = await once('secret', async () => randomUUID());

await listen(async (request, response) => {
  const { searchParams } = new URL(request.url ?? '', topic);
  // The hub asks whether this was wanted.
  if (request.method === 'GET') return void response.end(searchParams.get('hub.challenge'));
  const body = await text(request);
  const signature = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const received = Buffer.from(String(request.headers['x-hub-signature']));
  if (received.length !== signature.length || !timingSafeEqual(received, signature))
    return void response.writeHead(401).end();
  const prices = JSON.parse(body) as { name: string; cents: number }[];
  // WebSub itself gives a delivery no id. This hub adds the one of its other webhooks.
  keep(
    String(request.headers['webhook-id']),
    prices.map(({ name, cents }) => `${name} ${(cents / 100).toFixed(2)}`).join(', '),
  );
  response.writeHead(204).end();
});

const { headers } = await fetch(topic);
const [, hub = ''] = /<([^>]+)>; rel="hub"/.exec(headers.get('Link') ?? '') ?? [];
const callback = `${process.env['SITE_URL']}/api/price-watch/hook`;
const form = new URLSearchParams({
  'hub.mode': 'subscribe',
  'hub.topic': topic,
  'hub.callback': callback,
  'hub.secret': secret,
});
const answer = await fetch(new URL(hub, topic), { method: 'POST', body: form });
if (!answer.ok) throw new Error(await answer.text());
