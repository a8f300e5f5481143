import { rmSync, truncateSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { post, subscribe } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, publish, type Published } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

interface Page {
  readonly events: readonly { readonly id: string }[];
  readonly gaps: readonly { readonly from: string; readonly reason: string }[];
  readonly cursor: string;
}

interface Pulled {
  readonly events: readonly { readonly lease: string; readonly event: { readonly id: string } }[];
}

/** Enough events for the write-ahead log to be moved into the database at least once. */
const BEFORE_CHECKPOINT = 120;
const AFTER_CHECKPOINT = 40;

test.each<{ what: string; lose: (wal: string) => void }>([
  { what: 'deleted', lose: (wal) => rmSync(wal) },
  { what: 'cut in half', lose: (wal) => truncateSync(wal, Math.floor(statSync(wal).size / 8192) * 4096) },
])(
  'after a crash that leaves the write-ahead log $what, the hub starts a new epoch and reports a gap',
  async ({ lose }) => {
    const data = join(temporaryFolder('lost-commits'), 'data');
    const hub = await startHubProcess({ data });
    for (let n = 0; n < BEFORE_CHECKPOINT; n++) await publish(hub.url, { channel: 'a', data: 'x'.repeat(200_000) });
    await until('the write-ahead log was moved into the database', async () => {
      const checkpoints = /polycast_log_checkpoints_total (\d+)/.exec((await call(`${hub.url}/metrics`)).text)?.[1];
      return Number(checkpoints) > 0;
    });
    const acknowledged: Published[] = [];
    for (let n = 0; n < AFTER_CHECKPOINT; n++)
      acknowledged.push(await publish(hub.url, { channel: 'a', data: 'y'.repeat(5_000) }));
    await hub.end('SIGKILL');
    lose(join(data, 'log.db-wal'));

    const again = await startHubProcess({ data });
    const half = (acknowledged[AFTER_CHECKPOINT / 2] as Published).id;
    const page = (await call(`${again.url}/v1/events?channel=a&after=${half}`)).json<Page>();
    expect(page.gaps).toMatchObject([{ from: half, reason: 'epoch' }]);
    expect(page.cursor.slice(0, 10) > half.slice(0, 10)).toBe(true);
    await until('the log says so', () => /newest acknowledged events are missing/.test(again.log()));
    await again.end('SIGKILL');
    // A crash that loses nothing keeps the epoch.
    const third = await startHubProcess({ data });
    const after = (await call(`${third.url}/v1/events?channel=a`)).json<Page>();
    expect(after.cursor.slice(0, 10)).toBe(page.cursor.slice(0, 10));
    await third.end('SIGTERM');
  },
);

test('a revocation that was lost with its write-ahead log is reported at startup', async () => {
  const data = join(temporaryFolder('lost-revocation'), 'data');
  const hub = await startHubProcess({ data });
  const reply = await post(`${hub.url}/v1/revocations`, { user: 'ann' });
  expect(reply.status, reply.text).toBeLessThan(300);
  await hub.end('SIGKILL');

  // A crash that loses nothing logs nothing.
  const second = await startHubProcess({ data });
  expect((await call(`${second.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(second.log()).not.toContain('"level":"error"');
  await second.end('SIGKILL');
  rmSync(join(data, 'identity.sqlite-wal'));

  const third = await startHubProcess({ data });
  expect((await call(`${third.url}/healthz`)).json()).toEqual({ status: 'ok', problems: ['identity_incomplete'] });
  const missing = /"level":"error".*newest acknowledged changes are missing from identity.sqlite/;
  await until('the log says so', () => missing.test(third.log()));
  await third.end('SIGTERM');
});

test('subscriptions that were lost with their write-ahead log are reported, and events are delivered again', async () => {
  const data = join(temporaryFolder('lost-subscriptions'), 'data');
  const hub = await startHubProcess({ data });
  const address = (id: string): string => `${hub.url}/v1/subscriptions/${id}`;
  const make = (): Promise<string> => subscribe(hub.url, { channels: ['a'], delivery: { kind: 'pull' } });
  const [kept, removed, changed] = [await make(), await make(), await make()];
  await hub.end('SIGTERM');

  const second = await startHubProcess({ data, port: hub.port });
  expect((await call(`${second.url}/healthz`)).json()).toEqual({ status: 'ok' });
  const event = await publish(second.url, { channel: 'a', data: 1 });
  const done = (await post(`${address(kept)}/pull`, { count: 1, waitSeconds: 20 })).json<Pulled>();
  expect((await post(`${address(kept)}/ack`, { leases: done.events.map(({ lease }) => lease) })).status).toBe(200);
  expect((await call(address(removed), { method: 'DELETE' })).status).toBe(204);
  const description = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"description":"b"}' };
  expect((await call(address(changed), description)).status).toBe(200);
  const made = await make();
  await until('the audit log has the last of it', async () =>
    (await call(`${second.url}/v1/audit`)).text.includes(made),
  );
  await second.end('SIGKILL');

  // A crash that loses nothing logs nothing.
  const third = await startHubProcess({ data, port: hub.port });
  expect((await call(`${third.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect((await call(address(made))).status).toBe(200);
  expect(third.log()).not.toContain('"level":"error"');
  await third.end('SIGKILL');
  rmSync(join(data, 'subscriptions.sqlite-wal'));

  const fourth = await startHubProcess({ data, port: hub.port });
  expect((await call(`${fourth.url}/healthz`)).json()).toEqual({
    status: 'ok',
    problems: ['subscriptions_incomplete'],
  });
  expect((await call(`${fourth.url}/metrics`)).text).toContain('polycast_subscription_store_incomplete 1');
  // The hub answers before it has written the lines of its log.
  await until('the log has its last error', () => fourth.log().includes('last change lost'));
  const errors = fourth
    .log()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'));
  expect(errors.map((line): unknown => JSON.parse(line))).toMatchObject([
    { msg: expect.stringMatching(/newest acknowledged changes are missing from subscriptions.sqlite/) },
    { msg: expect.stringMatching(/missing after a crash/), subscriptions: [made] },
    { msg: expect.stringMatching(/deleted ones are active again/), subscriptions: [removed] },
    { msg: expect.stringMatching(/last change lost/), subscriptions: [changed] },
  ]);
  const again = (await post(`${address(kept)}/pull`, { count: 1, waitSeconds: 20 })).json<Pulled>();
  expect(again.events).toMatchObject([{ event: { id: event.id } }]);
  await fourth.end('SIGTERM');
});
