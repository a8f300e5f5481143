import { HTTP, type CloudEvent } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { receiveHooks, type ReceivedHook } from '../kit/clients/hook-receiver.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';

/** Real requests of a hub over a socket, accepted by the packages that receivers use. */

let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
});
afterAll(() => hub.end('SIGKILL'));

describe('the package standardwebhooks', () => {
  test.each(['event', 'data', 'cloudevents', 'cloudevents-binary'])('accepts requests with %s', async (format) => {
    const { received, secret } = await subscribed(`standard.${format}`, { format });
    await publish(`standard.${format}`, '{"é":"\\u00e9 € 𝄞","n":1.10}');
    await expect.poll(() => received.length).toBe(1);
    expect(verified(received[0] as ReceivedHook, secret)).toBeDefined();
  });

  test('accepts batches', async () => {
    const { received, secret } = await subscribed('standard.batch', { batch: { countMax: 3, waitMs: 1000 } });
    for (const data of ['1', '"b"', '[3]']) await publish('standard.batch', data);
    const events = (): unknown[] => received.flatMap((each) => verified(each, secret) as unknown[]);
    await expect.poll(() => events().length).toBe(3);
    expect(events().map((event) => (event as { data: unknown }).data)).toEqual([1, 'b', [3]]);
  });

  test('accepts both secrets during a rotation, and only the new one afterwards', async () => {
    const channel = 'standard.rotated';
    const { received, secret, id } = await subscribed(channel, {});
    const rotate = async (overlapSeconds: number): Promise<string> => {
      const reply = await call(`${hub.url}/v1/subscriptions/${id}/rotate-secret`, json({ overlapSeconds }));
      return reply.json<{ delivery: { secret: string } }>().delivery.secret;
    };
    const next = await rotate(60);
    await publish(channel, '1');
    await expect.poll(() => received.length).toBe(1);
    for (const each of [secret, next]) expect(verified(received[0] as ReceivedHook, each)).toBeDefined();
    const last = await rotate(0);
    await publish(channel, '2');
    await expect.poll(() => received.length).toBe(2);
    expect(verified(received[1] as ReceivedHook, last)).toBeDefined();
    expect(() => verified(received[1] as ReceivedHook, next)).toThrow(/No matching signature/);
  });
});

describe('the package cloudevents', () => {
  test.each(['cloudevents', 'cloudevents-binary'])('reads %s', async (format) => {
    const channel = `read.${format}`;
    const { received } = await subscribed(channel, { format });
    const own = {
      specversion: '1.0',
      id: `A ${format}`,
      source: '/shop',
      type: 'paid',
      subject: 'ö 5%',
      channel,
      data: { a: 1 },
    };
    const reply = await call(`${hub.url}/v1/events`, json(own, 'application/cloudevents+json'));
    expect(reply.status, reply.text).toBe(201);
    await publish(channel, '[2]');
    await expect.poll(() => received.length).toBe(2);
    const [kept, made] = received.map(
      ({ headers, body }) => HTTP.toEvent({ headers, body: body.toString() }) as CloudEvent<unknown>,
    );
    // It does not decode percent-encoded headers (CloudEvents HTTP binding, section 3.1.3.2).
    const read = (text: unknown): string =>
      format === 'cloudevents' ? String(text) : decodeURIComponent(String(text));
    expect({ ...kept, id: read(kept?.id), subject: read(kept?.subject) }).toMatchObject({
      ...own,
      datacontenttype: 'application/json',
    });
    expect(made).toMatchObject({ source: `/v1/channels/${channel}`, type: 'polycast.event', channel, data: [2] });
    expect(made?.id).toBe(received[1]?.headers['webhook-id']);
  });
});

/** The endpoint that receives the events of a channel. */
async function subscribed(
  channel: string,
  delivery: object,
): Promise<{ received: readonly ReceivedHook[]; id: string; secret: string }> {
  const { url, received } = await receiveHooks();
  const options = { channels: [channel], delivery: { kind: 'webhook', url, ...delivery } };
  const reply = await call(`${hub.url}/v1/subscriptions`, json(options));
  expect(reply.status, reply.text).toBe(201);
  const made = reply.json<{ id: string; delivery: { secret: string } }>();
  return { received, id: made.id, secret: made.delivery.secret };
}

async function publish(channel: string, data: string): Promise<void> {
  const reply = await call(`${hub.url}/v1/channels/${channel}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: data,
  });
  expect(reply.status, reply.text).toBe(201);
}

function json(
  value: object,
  type = 'application/json',
): { method: string; headers: Record<string, string>; body: string } {
  return { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(value) };
}

function verified({ headers, body }: ReceivedHook, secret: string): unknown {
  return new Webhook(secret).verify(body, headers as Record<string, string>);
}
