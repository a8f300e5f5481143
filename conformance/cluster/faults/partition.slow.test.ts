import { describe, expect, onTestFinished, test } from 'vitest';
import { leaderOf, NATS_SERVER } from '../../kit/brokers.ts';
import { answered, call, publish, type Reply } from '../../kit/http.ts';
import { until } from '../../kit/wait.ts';
import { FaultyCluster } from './faulty-cluster.ts';

/** The brokers lose each other, and hubs still reach theirs. */
describe.skipIf(NATS_SERVER === undefined)('a leading broker that is cut off from the others', () => {
  test('its hub gives no false gap, is not ready, and the epoch stays; a hub with other brokers moves', async () => {
    const cluster = await FaultyCluster.start();
    onTestFinished(() => cluster.end());
    const [one, moving, lone] = cluster.urls as [string, string, string];
    const { id: before } = await publish(one, { channel: 'a', data: 'before' });
    const leader = await leaderOf(cluster.brokers);
    const at = cluster.brokers.brokers.indexOf(leader);
    const proxiesOf = (hub: number): readonly { cut(): void; heal(): void }[] => cluster.hubs[hub]?.proxies ?? [];
    // One hub is with the majority, one at the leader alone, and one may move.
    proxiesOf(0)[at]?.cut();
    for (const hub of [1, 2]) for (const [broker, proxy] of proxiesOf(hub).entries()) if (broker !== at) proxy.cut();
    await until('all hubs are ready', async () => (await statuses(cluster)).every((status) => status === 'ready'));
    for (const proxy of cluster.routesOf(at)) proxy.cut();
    for (const proxy of proxiesOf(1)) proxy.heal();
    let after = before;
    await until('the majority goes on', async () => {
      after = (await publish(one, { channel: 'a', data: 'after' }).catch(() => ({ id: before }))).id;
      return after > before;
    });
    const ask = (hub: string): Promise<Reply> => call(`${hub}/v1/events?channel=a&after=${after}`);
    const read = async (hub: string): Promise<{ status: number; gaps: unknown; cursor: string }> => {
      const reply = await ask(hub);
      return { status: reply.status, ...reply.json<{ gaps: unknown; cursor: string }>() };
    };
    expect(await read(lone)).toMatchObject({ status: 503 });
    await until('the hub that may move has moved', async () => {
      const { status, gaps, cursor } = await read(moving);
      expect(gaps ?? []).toEqual([]);
      return status === 200 && cursor >= after;
    });
    await until('the hub of the broker is not ready', async () => (await statuses(cluster))[2] === 'cluster_silent');
    expect(await read(lone)).toMatchObject({ status: 503 });
    for (const { proxies } of cluster.hubs) for (const proxy of proxies) proxy.heal();
    for (const proxy of cluster.routesOf(at)) proxy.heal();
    await until('all hubs are ready again', async () =>
      (await statuses(cluster)).every((status) => status === 'ready'),
    );
    for (const hub of cluster.urls) {
      const { gaps, cursor } = (await answered(() => ask(hub))).json<{ gaps: unknown; cursor: string }>();
      expect([gaps, cursor.slice(0, 10)]).toEqual([[], before.slice(0, 10)]);
    }
    // A busy machine may be silent, and lose the work on subscriptions.
    for (const { process } of cluster.hubs)
      expect(process.log()).not.toMatch(/"reason":"(?!deposed)\w+".*opening the log again/);
  });
});

/** `ready`, or why a hub is not. */
async function statuses({ urls }: FaultyCluster): Promise<string[]> {
  return Promise.all(
    urls.map(async (url) => {
      const { status, why } = (await call(`${url}/readyz`)).json<{ status: string; why?: string }>();
      return why ?? status;
    }),
  );
}
