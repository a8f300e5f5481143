import { describe, expect, test } from 'vitest';
import type { NewRecord } from '../../core/ports.ts';
import { openSqliteLog } from '../../storage/sqlite/log/open-sqlite-log.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { openEndpoint, openSubscriptionHub, waitUntil } from '../../testing/subscription-hub.ts';

/** Values of `datacontenttype`, as JSON, that previous versions accepted. */
const POISONS = [
  '"text/plain\\nX: y"',
  '"text/plain\\r\\nX: y"',
  '"text/plain\\u0000"',
  '"text/\\u017e"',
  `"text/${'x'.repeat(20_000)}"`,
  '5',
  'true',
];

/** An event as stored by a version without these checks. */
function stored(channel: string, poison: string, index: number): NewRecord {
  const timeMs = Date.now();
  const cloudevent = `"cloudevent":{"specversion":"1.0","id":"${index}","source":"s","subject":"${channel}","long":"${'é'.repeat(index * 1000)}"}`;
  const text = `"channel":"${channel}","type":"t\\n${index}","time":"${new Date(timeMs).toISOString()}","datacontenttype":${poison},${cloudevent},"data":${index}}`;
  return {
    channel,
    type: `t\n${index}`,
    timeMs,
    body: Buffer.from(text),
    retain: 'history',
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
  };
}

describe('an event whose media type cannot be written as a header', () => {
  test('in a log of an earlier version is read and delivered in every format, and blocks nothing', async () => {
    const folder = temporaryFolder();
    const log = await openSqliteLog({ folder });
    await log.append(POISONS.map((poison, index) => stored(`old.${index}`, poison, index)));
    await log.append(POISONS.map((poison, index) => stored('old.all', poison, index)));
    await log.close();
    const hub = await openSubscriptionHub({ data: folder });
    for (const index of POISONS.keys()) {
      const response = await fetch(`${hub.url}/v1/channels/old.${index}`);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
      expect(await response.text()).toBe(String(index));
    }
    const endpoint = await openEndpoint();
    for (const format of ['event', 'data', 'cloudevents', 'cloudevents-binary'])
      await hub.create({
        channels: ['old.all', 'new'],
        delivery: { kind: 'webhook', url: `${endpoint.url}?${format}`, format },
        start: 'earliest',
      });
    await hub.publish('new', 'behind them');
    await waitUntil(() => {
      for (const format of ['event', 'data', 'cloudevents', 'cloudevents-binary']) {
        const received = endpoint.received.filter(({ url }) => url.endsWith(`?${format}`));
        expect([format, received.length]).toEqual([format, POISONS.length + 1]);
        expect(received.some(({ body }) => body.includes('behind them'))).toBe(true);
      }
    });
  });

  test.each(POISONS.map((poison) => [poison.slice(0, 40), poison]))(
    'is refused by every way to publish: %s',
    async (_name, poison) => {
      const hub = await openSubscriptionHub();
      const event = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"a","datacontenttype":${poison},"data":1}`;
      const refused = { code: 'invalid_event', member: 'datacontenttype' };
      const one = { 'content-type': 'application/cloudevents+json' };
      expect((await hub.ask('POST', '/v1/events', event, one)).body).toMatchObject(refused);
      expect((await hub.ask('POST', '/v1/channels/a/events', event, one)).body).toMatchObject(refused);
      const batch = await hub.ask('POST', '/v1/events', `[${event}]`, {
        'content-type': 'application/cloudevents-batch+json',
      });
      expect(batch.body).toMatchObject([{ error: refused }]);
      expect((await hub.ask('GET', '/v1/channels/a')).body).toMatchObject({ code: 'channel_empty' });
    },
  );

  test.each(['text/plain; a=\x80', `text/x; long=${'x'.repeat(250)}`, 'text/plain; a="', 'text/plain, text/html'])(
    'is refused as the type of a body: %s',
    async (type) => {
      const hub = await openSubscriptionHub();
      const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': 's', 'ce-type': 't', 'ce-channel': 'a' };
      for (const [path, headers] of [
        ['/v1/channels/a/events', {}],
        ['/v1/channels/a/events', binary],
        ['/v1/events', binary],
        ['/v1/users/ann/events', {}],
      ] as const) {
        const reply = await hub.ask('POST', path, '1', { 'content-type': type, ...headers });
        expect([path, reply.status, reply.body['code']]).toEqual([path, 415, 'unsupported_media_type']);
      }
    },
  );
});
