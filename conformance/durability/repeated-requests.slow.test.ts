import { expect, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { shimDisk, canShim, type Disk } from '../kit/disk-shim.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, type Reply } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/**
 * A request that is repeated finds in memory what the first one did. Its answer says that this
 * state holds, so it waits for the disk like the answer to the first one.
 */
const NAMED = '/v1/subscriptions/warehouse';
const QUEUE = { channels: ['jobs.>'], delivery: { kind: 'pull' } };
const WIDER = { channels: ['jobs.>', 'tasks'], delivery: { kind: 'pull' } };
/** Nothing listens here, and nothing is sent without an event. */
const TARGET = 'http://127.0.0.1:9/hook';
const HOOK = { target_url: TARGET, event: 'order.paid' };

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** The statuses of the first answer and the repeated one. */
  readonly statuses: readonly [number, number];
  readonly file?: string;
}

const KEYED = { 'Idempotency-Key': 'queue-of-jobs' };
/** In this order: each finds what the earlier ones left. `{key}` is the id of a key. */
const QUESTIONS: readonly Question[] = [
  { method: 'POST', path: '/v1/subscriptions', body: QUEUE, headers: KEYED, statuses: [201, 201] },
  { method: 'PUT', path: NAMED, body: QUEUE, statuses: [201, 200] },
  { method: 'PUT', path: NAMED, body: WIDER, statuses: [200, 200] },
  { method: 'PATCH', path: NAMED, body: { description: 'shelves' }, statuses: [200, 200] },
  { method: 'POST', path: `${NAMED}/pause`, body: {}, statuses: [200, 200] },
  { method: 'POST', path: `${NAMED}/resume`, body: {}, statuses: [200, 200] },
  { method: 'DELETE', path: NAMED, statuses: [204, 404] },
  { method: 'POST', path: '/v1/hooks', body: HOOK, statuses: [201, 200] },
  { method: 'DELETE', path: `/v1/hooks?target_url=${encodeURIComponent(TARGET)}`, statuses: [200, 404] },
  { method: 'POST', path: '/v1/revocations', body: { user: 'ada' }, statuses: [201, 201], file: 'identity.sqlite' },
  { method: 'DELETE', path: '/v1/users/ada/data', statuses: [202, 202], file: 'identity.sqlite' },
  {
    method: 'PATCH',
    path: '/v1/keys/{key}',
    body: { name: 'store' },
    statuses: [200, 200],
    file: 'identity.sqlite',
  },
  { method: 'DELETE', path: '/v1/keys/{key}', statuses: [204, 204], file: 'identity.sqlite' },
  {
    method: 'POST',
    path: '/v1/events',
    body: { channel: 'jobs.1', data: 1 },
    headers: KEYED,
    statuses: [201, 201],
    file: 'log.db',
  },
];

const CONFIG = {
  access: 'rules',
  rules: [{ pattern: '>', subscribe: 'anyone', publish: 'anyone' }],
  outgoing: { allow: ['127.0.0.1:9'] },
  subscriptions: { trustedEndpoints: ['http://127.0.0.1:9'] },
};

test('while a disk holds up a sync, a repeated request is not answered before the first one', async ({ skip }) => {
  skip(!canShim, 'there is no compiler');
  const { hub, disk, ask } = await openHub();
  const made = await ask({ method: 'POST', path: '/v1/keys', body: { name: 'shop', scopes: { publish: ['>'] } } });
  const { id } = made.json<{ id: string }>();
  for (const { path, statuses, file = 'subscriptions.sqlite', ...question } of QUESTIONS) {
    const request = { ...question, path: path.replace('{key}', id) };
    disk.order('hold', file);
    disk.forgetHeld();
    const first = ask(request);
    await until(`${path}: a sync of ${file} is held up`, () => disk.isHeld());
    let isAnswered = false;
    const repeated = ask(request).finally(() => (isAnswered = true));
    // Requests that were sent later are answered, one after the other.
    for (let later = 0; later < 5; later++) expect((await call(`${hub.url}/healthz`)).status).toBe(200);
    expect([question.method, path, isAnswered]).toEqual([question.method, path, false]);
    disk.order('hold', undefined);
    const replies = await Promise.all([first, repeated]);
    expect([question.method, path, ...replies.map(({ status }) => status)]).toEqual([
      question.method,
      path,
      ...statuses,
    ]);
  }
  expect(await hub.end('SIGTERM')).toBe(0);
});

test('a change that the disk refused is not confirmed to anybody before it is stored, and then survives a kill', async ({
  skip,
}) => {
  skip(!canShim, 'there is no compiler');
  const { hub, disk, ask, data } = await openHub();
  const removed = '/v1/subscriptions/removed';
  for (const path of [NAMED, removed]) expect((await ask({ method: 'PUT', path, body: QUEUE })).status).toBe(201);

  const wider = { method: 'PUT', path: NAMED, body: WIDER };
  const removal = { method: 'DELETE', path: removed };
  const refused = async (question: Pick<Question, 'method' | 'path' | 'body'>): Promise<void> => {
    disk.order('full', '');
    for (let times = 0; times < 2; times++) {
      const { status, text } = await ask(question);
      expect([question.method, times, status], text).toEqual([question.method, times, 503]);
    }
    expect((await call(`${hub.url}/v1/subscriptions`, { headers: await headersOf() })).status).toBe(200);
    disk.order('full', undefined);
  };
  const headersOf = async () => ({ Authorization: `Bearer ${await firstKey(hub)}` });
  await refused(wider);
  await untilStatus(200, () => ask(wider));
  await refused(removal);
  await untilStatus(404, () => ask(removal));
  await hub.end('SIGKILL');

  const again = await startHubProcess({ data, config: CONFIG });
  const headers = await headersOf();
  const stored = await call(`${again.url}${NAMED}`, { headers });
  expect(stored.json<{ channels: string[] }>().channels).toEqual(WIDER.channels);
  expect((await call(`${again.url}${removed}`, { headers })).status).toBe(404);
  await again.end('SIGTERM');
});

test('a creation that the disk refused is refused to everybody who asked for the same', async ({ skip }) => {
  skip(!canShim, 'there is no compiler');
  const { hub, disk, ask } = await openHub();
  expect((await ask({ method: 'PUT', path: '/v1/subscriptions/other', body: QUEUE })).status).toBe(201);
  const question = { method: 'PUT', path: NAMED, body: QUEUE };
  disk.order('hold', 'subscriptions.sqlite');
  disk.forgetHeld();
  // This commit is in flight, so the two creations are in the next one.
  const before = ask({ method: 'POST', path: '/v1/subscriptions', body: QUEUE });
  await until('a sync is held up', () => disk.isHeld());
  const creations = [ask(question), ask(question)];
  for (let later = 0; later < 5; later++) expect((await call(`${hub.url}/healthz`)).status).toBe(200);
  disk.order('full', '');
  disk.order('hold', undefined);
  expect((await Promise.all([before, ...creations])).map(({ status }) => status)).toEqual([201, 503, 503]);
  disk.order('full', undefined);
  await untilStatus(201, () => ask(question));
  expect(await hub.end('SIGTERM')).toBe(0);
});

interface Opened {
  readonly hub: Awaited<ReturnType<typeof startHubProcess>>;
  readonly disk: Disk;
  readonly data: string;
  readonly ask: (question: Omit<Question, 'statuses' | 'file'>) => Promise<Reply>;
}

async function openHub(): Promise<Opened> {
  const data = temporaryFolder('repeated');
  const disk = shimDisk(data);
  const hub = await startHubProcess({ data, config: CONFIG, environment: disk.environment });
  const key = await firstKey(hub);
  const ask: Opened['ask'] = ({ method, path, body, headers = {} }) =>
    call(`${hub.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return { hub, disk, data, ask };
}

/** Repeats a request while the hub answers `503`. */
async function untilStatus(status: number, ask: () => Promise<Reply>): Promise<void> {
  let answer = await ask();
  await until(`it is answered with ${status}`, async () => {
    if (answer.status === 503) answer = await ask();
    return answer.status !== 503;
  });
  expect(answer.status, answer.text).toBe(status);
}
