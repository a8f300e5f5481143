import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { atExit } from '../kit/at-exit.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { canShim, shimDisk } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { call, publish, type Published } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

const DISK_MIB = 24;
const folder = temporaryFolder('disk');
const isMounted =
  process.platform === 'linux' &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'none', folder]).status === 0;
if (isMounted) atExit(() => spawnSync('umount', ['-l', folder]));

test('a full disk stops only publishers, with 503, and publishing continues when there is space', async ({ skip }) => {
  skip(!isMounted, 'a small disk can be mounted by root only');
  const hub = await startHubProcess({ data: join(folder, 'data') });
  const followers = TRANSPORTS.map(
    (transport) => new Follower(hub.url, transport, { channels: ['a'], after: 'earliest' }),
  );
  const acknowledged: Published[] = [];
  for (let n = 0; n < 20; n++) acknowledged.push(await publish(hub.url, { channel: 'a', data: n }));

  for (let round = 0; round < 2; round++) {
    const ballast = join(folder, 'ballast');
    fill(ballast);
    const refused = await fillUp(hub.url, acknowledged);
    expect(refused).toMatchObject({ status: 503, code: 'log_full' });
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    expect(await readiness(hub.url)).toEqual([503, 'log_full']);
    expect((await call(`${hub.url}/healthz`)).status).toBe(200);
    // Reading continues: connected readers have everything, and new ones receive it.
    await untilAllHave(followers, acknowledged);
    const late = new Follower(hub.url, 'sse', { channels: ['a'], after: 'earliest' });
    await untilAllHave([late], acknowledged);
    await late.stop();
    expect((await call(`${hub.url}/v1/channels/a`)).status).toBe(200);
    expect((await call(`${hub.url}/v1/channels/a/history?limit=5`)).status).toBe(200);

    rmSync(ballast);
    await until('it can be published again', async () => (await readiness(hub.url))[0] === 200);
    acknowledged.push(await publish(hub.url, { channel: 'a', data: `after round ${round}` }));
    await untilAllHave(followers, acknowledged);
  }
  await Promise.all(followers.map((follower) => follower.stop()));
  for (const { received, gaps, errors } of followers) {
    expect([...gaps, ...errors]).toEqual([]);
    expect(received.map(({ id }) => id)).toEqual(acknowledged.map(({ id }) => id));
  }
  expect(await hub.end('SIGTERM')).toBe(0);

  // A refused publish stored nothing.
  const again = await startHubProcess({ data: join(folder, 'data') });
  const { events } = (await call(`${again.url}/v1/events?channel=a&after=earliest&limit=1000`)).json<{
    events: { id: string }[];
  }>();
  expect(events.map(({ id }) => id)).toEqual(acknowledged.slice(0, events.length).map(({ id }) => id));
  await again.end('SIGKILL');
});

test('a hub that starts on a full disk serves reads, and accepts writes again when there is space', async ({
  skip,
}) => {
  skip(!canShim, 'there is no compiler');
  const data = temporaryFolder('started-full');
  const disk = shimDisk(data);
  const first = await startHubProcess({ data });
  const before = await publish(first.url, { channel: 'a', data: 'before' });
  await first.end('SIGTERM');
  disk.order('full', '');
  const hub = await startHubProcess({ data, environment: disk.environment });
  expect(await readiness(hub.url)).toEqual([503, 'log_full']);
  const page = await call(`${hub.url}/v1/events?channel=a&after=earliest`);
  expect(page.json<{ events: { id: string }[] }>().events[0]?.id).toBe(before.id);

  disk.order('full', undefined);
  await until('it can be published again', async () => (await readiness(hub.url))[0] === 200);
  await publish(hub.url, { channel: 'a', data: 'after' });
  const subscription = { channels: ['a'], delivery: { kind: 'pull' } };
  expect((await call(`${hub.url}/v1/subscriptions`, publishing(subscription))).status).toBe(201);
  expect((await call(`${hub.url}/v1/revocations`, publishing({ user: 'ada' }))).status).toBe(201);
  await hub.end('SIGKILL');
});

test('a key that is revoked while the disk is full stays revoked after retries and when there is space', async ({
  skip,
}) => {
  skip(!canShim, 'there is no compiler');
  const data = temporaryFolder('revoked-full');
  const disk = shimDisk(data);
  const config = { access: 'rules' };
  const hub = await startHubProcess({ data, config, environment: disk.environment });
  const admin = await firstKey(hub);
  const ask = (url: string, path: string, key: string, body?: object): ReturnType<typeof call> => {
    const { method, headers, ...rest } = body === undefined ? { method: 'DELETE', headers: {} } : publishing(body);
    return call(url + path, { method, headers: { ...headers, Authorization: `Bearer ${key}` }, ...rest });
  };
  const make = async (name: string): Promise<{ readonly id: string; readonly key: string }> =>
    (await ask(hub.url, '/v1/keys', admin, { name, scopes: { publish: ['>'] } })).json();
  const [first, second, third] = [await make('first'), await make('second'), await make('third')];
  const revoke = async ({ id }: { readonly id: string }): Promise<readonly [number, string | undefined]> => {
    const { status, text } = await ask(hub.url, `/v1/keys/${id}`, admin);
    return [status, text === '' ? undefined : (JSON.parse(text) as { code: string }).code];
  };
  const use = async (url: string, { key }: { readonly key: string }): Promise<number> =>
    (await ask(url, '/v1/events', key, { channel: 'a', data: 1 })).status;

  disk.order('full', '');
  // A refused revocation is retried until it is stored.
  expect(await revoke(first)).toEqual([503, 'log_full']);
  expect(await revoke(first)).toEqual([503, 'log_full']);
  expect(await use(hub.url, first)).toBe(401);
  disk.order('full', undefined);
  await until('it is stored', async () => (await revoke(first))[0] === 404);
  disk.order('full', '');
  expect(await revoke(second)).toEqual([503, 'log_full']);
  disk.order('full', undefined);
  expect(await hub.end('SIGTERM')).toBe(0);

  const again = await startHubProcess({ data, config });
  expect(await Promise.all([first, second, third].map((key) => use(again.url, key)))).toEqual([401, 401, 201]);
  // Each action is reported once, whatever the number of attempts.
  expect(hub.log().match(/key\.revoked/g)).toHaveLength(2);
  await again.end('SIGKILL');
});

function publishing(body: object): { method: string; headers: Record<string, string>; body: string } {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

/** Fills the free space, except for some pages. */
function fill(path: string): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - 64 * 1024)));
}

/** Publishes until a publish is refused. Returns the refusal. */
async function fillUp(
  hub: string,
  acknowledged: Published[],
): Promise<{ readonly status: number; readonly code: string; readonly retryAfter: string | undefined }> {
  for (;;) {
    const body = JSON.stringify({ channel: 'a', data: 'x'.repeat(4000) });
    const reply = await call(`${hub}/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    if (reply.status === 201) acknowledged.push(reply.json());
    else
      return {
        status: reply.status,
        code: reply.json<{ code: string }>().code,
        retryAfter: reply.headers['retry-after'],
      };
  }
}

async function readiness(hub: string): Promise<readonly [number, string | undefined]> {
  const reply = await call(`${hub}/readyz`);
  return [reply.status, reply.json<{ why?: string }>().why];
}

async function untilAllHave(followers: readonly Follower[], acknowledged: readonly Published[]): Promise<void> {
  await until('all have what was acknowledged', () =>
    followers.every(({ received }) => received.at(-1)?.id === acknowledged.at(-1)?.id),
  );
}
