import { expect, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { shimDisk, canShim } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, type Reply } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until, within } from '../kit/wait.ts';

const CONFIG = {
  access: 'rules',
  rules: [{ pattern: 'room.>', subscribe: 'anyone', publish: 'anyone', presence: 'anyone' }],
};
const TIMEOUT_MS = 15_000;

interface Question {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
}

const KEY = { name: 'shop', scopes: { publish: ['>'] } };

/** The operations that are answered only after a sync, by the file that stores them. */
const CASES: readonly (Question & { readonly file: string; readonly status: number })[] = [
  { file: 'identity.sqlite', method: 'POST', path: '/v1/revocations', body: { user: 'ada' }, status: 201 },
  { file: 'identity.sqlite', method: 'POST', path: '/v1/keys', body: KEY, status: 201 },
  { file: 'identity.sqlite', method: 'POST', path: '/v1/keys/{key}/rotate', body: {}, status: 200 },
  { file: 'identity.sqlite', method: 'DELETE', path: '/v1/keys/{key}', status: 204 },
  { file: 'log.db', method: 'POST', path: '/v1/events', body: { channel: 'room.1', data: 1 }, status: 201 },
  {
    file: 'subscriptions.sqlite',
    method: 'POST',
    path: '/v1/subscriptions',
    body: { channels: ['room.>'], delivery: { kind: 'pull' } },
    status: 201,
  },
];

test('a slow disk delays only answers that need durable data, and each of them is sent after its sync', async ({
  skip,
}) => {
  skip(!canShim, 'there is no compiler');
  const data = temporaryFolder('slow-sync');
  const disk = shimDisk(data);
  const hub = await startHubProcess({ data, config: CONFIG, environment: disk.environment });
  const first = await firstKey(hub);
  const ask = ({ method, path, body }: Question): Promise<Reply> =>
    call(`${hub.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${first}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const made = await ask({ method: 'POST', path: '/v1/keys', body: KEY });
  expect(made.status, made.text).toBe(201);
  const { id } = made.json<{ id: string }>();

  for (const { file, status, path, ...question } of CASES) {
    disk.order('hold', file);
    disk.forgetHeld();
    let isAnswered = false;
    const answer = ask({ ...question, path: path.replace('{key}', id) }).then((reply) => {
      isAnswered = true;
      return reply;
    });
    await until(`${path}: a sync of ${file} is held up`, () => disk.isHeld());
    // Requested later, answered sooner.
    const health = await within(`${path}: somebody else to be answered`, call(`${hub.url}/healthz`), TIMEOUT_MS);
    expect([health.status, isAnswered], path).toEqual([200, false]);
    disk.order('hold', undefined);
    expect((await answer).status, path).toBe(status);
  }
  expect(await hub.end('SIGTERM')).toBe(0);
});
