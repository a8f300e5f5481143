import { expect, test } from 'vitest';
import { openKit, openReceiver, OPERATOR, webhook } from './testing.ts';

test('what is published is posted, signed, and a restart goes on where it stood', async () => {
  const receiver = await openReceiver();
  const kit = await openKit();
  const { subscription } = await kit.deliveries.desk.create(webhook(receiver.url), OPERATOR);
  await kit.publish('a.1', 1);
  await kit.publish('b.1', 'not meant');
  await kit.publish('a.2', 2);
  await receiver.until(({ length }) => length === 2);
  await kit.close();
  expect(receiver.received.map(({ body }) => (JSON.parse(body) as { data: number }).data).toSorted()).toEqual([1, 2]);
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/);

  const next = await openKit({ kept: kit });
  expect(next.deliveries.desk.get(subscription.definition.id)?.definition).toEqual(subscription.definition);
  await next.publish('a.1', 3);
  await receiver.until(({ length }) => length === 3);
  await next.close();
  expect(receiver.received.length).toBe(3);
  expect(JSON.parse(receiver.received[2]?.body ?? '')).toMatchObject({ channel: 'a.1', data: 3 });
});

test('a channel that fails holds back itself alone, and comes in order', async () => {
  const receiver = await openReceiver();
  let failures = 0;
  receiver.answer = ({ body }, response) => {
    const isBad = body.includes('"a.bad"') && failures++ < 2;
    response.writeHead(isBad ? 500 : 200).end();
  };
  const kit = await openKit({ speed: 20 });
  await kit.deliveries.desk.create(webhook(receiver.url), OPERATOR);
  for (let count = 0; count < 5; count++) for (const channel of ['a.bad', 'a.good']) await kit.publish(channel, count);
  await receiver.until(({ length }) => length === 12);
  const bodies = receiver.received.map(({ body }) => JSON.parse(body) as { channel: string; data: number });
  const of = (name: string): number[] => bodies.filter(({ channel }) => channel === name).map(({ data }) => data);
  expect(of('a.good')).toEqual([0, 1, 2, 3, 4]);
  expect(of('a.bad')).toEqual([0, 0, 0, 1, 2, 3, 4]);
});
