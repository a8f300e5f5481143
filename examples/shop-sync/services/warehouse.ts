import { createReceiver } from '@polycast/client/webhooks';
import { keep, listen, once, partnerKey, subscribeAt } from './partner.ts';

/** The warehouse packs orders: a webhook, which the hub verifies first and signs always. */
const secrets = `whsec_${process.env['EXAMPLE_SECRET']}`;
const receiver = createReceiver({ secrets }, ({ id, type, data }) => {
  keep(id, `${type} ${(data as { order: number }).order}`);
});
await listen(receiver.node);

const key = await partnerKey('warehouse');
await once('subscription', async () => {
  const delivery = { kind: 'webhook', url: `${process.env['SITE_URL']}/api/warehouse/hook`, secret: secrets };
  const types = ['order.placed', 'order.refunded'];
  const channels = ['shop.orders'];
  return (await subscribeAt('/v1/subscriptions', key, { owner: 'warehouse', channels, types, delivery })).id;
});
