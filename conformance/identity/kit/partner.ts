import { createHmac } from 'node:crypto';

const SECRET = 'a secret of the partner, in text';

/** A third party whose webhooks the hub of the matrix accepts. */
export const PARTNER: object = {
  source: 'partner',
  provider: 'github',
  channel: 'ingested',
  keys: [{ secret: SECRET }],
};

let deliveries = 0;

/** The body and the headers of a new delivery. The signature alone authorizes it. */
export function signedDelivery(): { readonly body: object; readonly headers: Readonly<Record<string, string>> } {
  const body = { number: ++deliveries };
  const signature = createHmac('sha256', SECRET).update(JSON.stringify(body)).digest('hex');
  const headers = { 'X-Hub-Signature-256': `sha256=${signature}`, 'X-GitHub-Delivery': `delivery ${deliveries}` };
  return { body, headers };
}
