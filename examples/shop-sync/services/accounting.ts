import { buffer } from 'node:stream/consumers';
import { createVerifier } from '@polycast/client/webhooks';
import { keep, listen, once, partnerKey, subscribeAt } from './partner.ts';

/** Accounting wants refunds only, and speaks REST Hooks, as Zapier does. */
let secret = '';
await listen(async (request, response) => {
  // The hub asks whether this address wants the hook: the answer is its own secret.
  const asked = request.headers['x-hook-secret'];
  if (asked !== undefined) return void response.writeHead(200, { 'X-Hook-Secret': asked }).end();
  const body = await buffer(request);
  const { id } = await createVerifier({ secrets: secret })(body, request.headers);
  keep(id, `refund of order ${(JSON.parse(body.toString()) as { order: number }).order}`);
  response.writeHead(204).end();
});

const key = await partnerKey('accounting');
secret = await once('secret', async () => {
  const target = `${process.env['SITE_URL']}/api/accounting/hook`;
  return (await subscribeAt('/v1/hooks', key, { target_url: target, event: 'order.refunded' })).secret ?? '';
});
