import { ERRORS, type Problem } from '@polycast/protocol';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { Follower, TRANSPORTS } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { call, publish, type Published } from '../kit/http.ts';
import { until } from '../kit/wait.ts';

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

test('failing writes stop only publishers, with 503, and publishing continues when writes succeed', async ({
  skip,
}) => {
  skip(!canLimit, 'prlimit makes the writes fail');
  const hub = await startHubProcess({ data: join(temporaryFolder('disk'), 'data'), writesMayFail: true });
  const followers = TRANSPORTS.map(
    (transport) => new Follower(hub.url, transport, { channels: ['a'], after: 'earliest' }),
  );
  const acknowledged: Published[] = [];
  for (let n = 0; n < 20; n++) acknowledged.push(await publish(hub.url, { channel: 'a', data: n }));

  for (let round = 0; round < 3; round++) {
    // EFBIG is an error of the write itself, and does not mean that the disk is full.
    limitFileSizes(hub.pid, '4096');
    const refused = await call(`${hub.url}/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"channel":"a","data":"lost"}',
    });
    expect([refused.status, refused.json<{ code: string }>().code]).toEqual([503, 'log_unavailable']);
    expect((await call(`${hub.url}/readyz`)).json()).toMatchObject({ why: 'log_unavailable' });
    const late = new Follower(hub.url, 'sse', { channels: ['a'], after: 'earliest' });
    await untilAllHave([...followers, late], acknowledged);
    await late.stop();

    limitFileSizes(hub.pid, 'unlimited');
    await until('it can be published again', async () => (await call(`${hub.url}/readyz`)).status === 200);
    acknowledged.push(await publish(hub.url, { channel: 'a', data: `after round ${round}` }));
    await untilAllHave(followers, acknowledged);
  }
  await Promise.all(followers.map((follower) => follower.stop()));
  for (const { received, gaps, errors } of followers) {
    expect([...gaps, ...errors]).toEqual([]);
    expect(received.map(({ id }) => id)).toEqual(acknowledged.map(({ id }) => id));
  }
  expect(await hub.end('SIGTERM')).toBe(0);
});

test('a refusal has the words of the catalogue, and the log has those of the storage', async ({ skip }) => {
  skip(!canLimit, 'prlimit makes the writes fail');
  const hub = await startHubProcess({
    data: join(temporaryFolder('disk'), 'data'),
    writesMayFail: true,
    config: { access: 'rules' },
  });
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${await firstKey(hub)}` };
  const post = async (path: string, body: object): Promise<Problem> =>
    (await call(hub.url + path, { method: 'POST', body: JSON.stringify(body), headers })).json<Problem>();
  const requests = [
    ['/v1/subscriptions', { channels: ['a'], delivery: { kind: 'pull' } }],
    ['/v1/events', { channel: 'a', data: 1 }],
    ['/v1/keys', { name: 'a', scopes: { publish: ['a'] } }],
    ['/v1/revocations', { user: 'ann' }],
  ] as const;
  for (const [path, body] of requests) expect(await post(path, body)).not.toHaveProperty('code');
  limitFileSizes(hub.pid, '4096');
  const refusals = [];
  for (const [path, body] of requests) {
    const { code, title, detail = title } = await post(path, body);
    refusals.push([path, code, detail]);
  }
  const { title } = ERRORS.log_unavailable;
  expect(refusals).toEqual([
    ['/v1/subscriptions', 'log_unavailable', title],
    ['/v1/events', 'log_unavailable', title],
    ['/v1/keys', 'log_unavailable', title],
    ['/v1/revocations', 'log_unavailable', expect.stringMatching(/^The change is in force\./)],
  ]);
  for (const part of ['log', 'subscription store', 'identity store'])
    await until(`the log has the error of the ${part}`, () =>
      new RegExp(`"error":"[^"]*disk I/O error.*"msg":"${part}: `).test(hub.log()),
    );
  limitFileSizes(hub.pid, 'unlimited');
  await hub.end('SIGTERM');
});

function limitFileSizes(pid: number, bytes: string): void {
  expect(spawnSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]).status).toBe(0);
}

async function untilAllHave(followers: readonly Follower[], acknowledged: readonly Published[]): Promise<void> {
  await until('all have what was acknowledged', () =>
    followers.every(({ received }) => received.at(-1)?.id === acknowledged.at(-1)?.id),
  );
}
