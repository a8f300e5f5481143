// GitHub, Stripe and Shopify, as the hub sees them: they sign each request,
// and try again until it is accepted.
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const { PORT, POLYCAST_URL } = process.env;

interface Delivery {
  readonly body: string;
  /** Signs an attempt. */
  readonly headers: () => Record<string, string>;
}

type Provider = (id: string, number: number) => Delivery;

const hmac = (secret: string, text: string, encoding: 'hex' | 'base64'): string =>
  createHmac('sha256', secret).update(text).digest(encoding);

const PROVIDERS: Record<string, Provider> = {
  github(id, number) {
    const issue = { number, title: `The oven smokes again (${number})` };
    const body = JSON.stringify({ action: 'opened', issue, sender: { login: 'ada' }, sentMs: Date.now() });
    const signature = hmac('a secret that GitHub knows too', body, 'hex');
    const headers = {
      'X-GitHub-Event': 'issues',
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${signature}`,
    };
    return { body, headers: () => headers };
  },
  stripe(id, number) {
    const object = { id: `in_${number}`, amount_paid: number * 100, currency: 'eur' };
    const body = JSON.stringify({ id: `evt_${id}`, type: 'invoice.paid', data: { object }, sentMs: Date.now() });
    // Each attempt is signed with its own time.
    const headers = (): Record<string, string> => {
      const seconds = Math.floor(Date.now() / 1000);
      const signature = hmac('whsec_a_secret_that_Stripe_shows', `${seconds}.${body}`, 'hex');
      return { 'Stripe-Signature': `t=${seconds},v1=${signature}` };
    };
    return { body, headers };
  },
  shopify(id, number) {
    const body = JSON.stringify({ id: number, name: `#${1000 + number}`, total_price: '42.00', sentMs: Date.now() });
    const signature = hmac('the client secret of the app', body, 'base64');
    const headers = {
      'X-Shopify-Topic': 'orders/create',
      'X-Shopify-Event-Id': id,
      'X-Shopify-Hmac-SHA256': signature,
    };
    return { body, headers: () => headers };
  },
};

let sent = 0;

/** Sends until the hub answers 2xx, or refuses permanently. Returns the answers. */
async function send(provider: Provider, tamper: (body: string) => string): Promise<readonly string[]> {
  const number = ++sent;
  const { body, headers } = provider(randomUUID(), number);
  const source = Object.entries(PROVIDERS).find(([, each]) => each === provider)?.[0];
  const answers: string[] = [];
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      const response = await fetch(`${POLYCAST_URL}/v1/ingest/${source}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers() },
        body: tamper(body),
      });
      const answer = (await response.json()) as { code?: string; duplicate?: boolean };
      answers.push(answer.code ?? (answer.duplicate ? 'duplicate' : 'published'));
      if (response.status < 500) return answers;
    } catch {
      if (answers.length === 0) console.log(`${source}: no answer to delivery ${number}, trying again`);
      answers.push('no answer');
    }
    await sleep(300);
  }
  return answers;
}

createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', 'http://providers');
  const provider = PROVIDERS[url.pathname.split('/').at(-1) ?? ''];
  if (request.method !== 'POST' || provider === undefined) return response.writeHead(404).end();
  // `?tamper=1`: somebody on the way changes one digit.
  const tamper = (body: string): string =>
    url.searchParams.has('tamper') ? body.replace('"sentMs":1', '"sentMs":2') : body;
  const answers = await send(provider, tamper);
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answers));
}).listen(Number(PORT), '127.0.0.1');
