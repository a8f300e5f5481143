import { expect, test } from 'vitest';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { Publisher, type PublishStyle } from '../kit/clients/publishers.ts';
import { eventsOf, membersOf, type RawEvent } from '../kit/wire/raw-events.ts';
import { Seeded } from '../kit/seeded.ts';
import { pause, until } from '../kit/wait.ts';

/** `POLYCAST_HEAVY=1` kills ten times as often. */
const KILLS = process.env['POLYCAST_HEAVY'] === undefined ? 20 : 200;
const LIFE_MS_MAX = 600;
const CHANNELS = ['a', 'b.1', 'b.2', 'b.2.c'];
const STYLES: readonly PublishStyle[] = ['single', 'single', 'single', 'array', 'array', 'lines'];

test(
  `after ${KILLS} kills under load, a hub has every acknowledged event, and each has one id`,
  { timeout: KILLS * 20_000 + 120_000 },
  async () => {
    const seeded = new Seeded();
    const message = `seed ${seeded.seed}`;
    const data = temporaryFolder('kill');
    const config = { rules: [{ pattern: 'ephemeral', retain: 'none' }] };
    let hub = await startHubProcess({ data, config });
    const { url, port } = hub;
    const followers = TRANSPORTS.map(
      (transport) => new Follower(url, transport, { channels: ['a', 'b.>'], after: 'earliest' }),
    );
    const publishers = STYLES.map((style, index) => new Publisher(url, `${style}${index}`, CHANNELS, style));
    const ephemeral = new Publisher(url, 'ephemeral', ['ephemeral'], 'array');

    for (let kill = 0; kill < KILLS; kill++) {
      await pause(seeded.below(LIFE_MS_MAX));
      await hub.end('SIGKILL');
      hub = await startHubProcess({ data, config, port });
    }
    // On a slow machine each hub publishes little before its kill, so the last one runs until
    // enough is published.
    const count = (): number => publishers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    await until('enough has been published', () => count() > KILLS * 10);
    await Promise.all([...publishers, ephemeral].map((publisher) => publisher.stop()));
    const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged);
    const last = acknowledged
      .map(({ id }) => id)
      .toSorted()
      .at(-1) as string;
    await until('all followers have come to the end', () =>
      followers.every(({ received }) => (received.at(-1)?.id ?? '') >= last),
    );
    await Promise.all(followers.map((follower) => follower.stop()));
    const log = await readAll(url);
    await hub.end('SIGTERM');

    expect(acknowledged.length, message).toBeGreaterThan(KILLS * 10);
    expect(
      [...publishers, ephemeral, ...followers].flatMap(({ errors }) => errors),
      message,
    ).toEqual([]);
    const inLog = new Map(log.map(({ id, data: payload }) => [id, payload]));
    const lost = acknowledged.filter(({ id, payload }) => inLog.get(id) !== JSON.stringify(payload));
    expect(lost, `acknowledged and lost, ${message}`).toEqual([]);
    expect(new Set(log.map(({ data: payload }) => payload)).size, `nothing twice, ${message}`).toBe(log.length);
    const ids = [...acknowledged, ...ephemeral.acknowledged].map(({ id }) => id);
    expect(new Set(ids).size, `no id twice, ${message}`).toBe(ids.length);
    for (const [index, { received, gaps, connects }] of followers.entries()) {
      const of = `${TRANSPORTS[index]}, ${message}`;
      expect(connects, of).toBeGreaterThan(KILLS / 10);
      expect(gaps, of).toEqual([]);
      // Exactly the log: in order, without duplicates and without holes, byte for byte.
      expect(
        received.map(({ json }) => json),
        of,
      ).toEqual(log.map(({ json }) => json));
    }
  },
);

async function readAll(url: string): Promise<readonly RawEvent[]> {
  const events: RawEvent[] = [];
  for (let after = 'earliest'; ;) {
    const { text } = await call(`${url}/v1/events?channel=a&channel=b.>&after=${after}&limit=1000`);
    const page = eventsOf(text);
    if (page.length === 0) return events;
    events.push(...page);
    after = JSON.parse(membersOf(text).get('cursor') as string) as string;
  }
}
