import { describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, type Reply } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { whileSilent } from './while-silent.ts';

/** Sessions of whole hubs, each a process, on a real broker. */
const CONFIG = { rules: [{ pattern: 'shop', subscribe: ['users'] }] };

async function startHubs(count: number): Promise<readonly UsersHub[]> {
  const brokers = await startBrokers({ count: 1 });
  onTestFinished(() => brokers.end());
  const hubs: UsersHub[] = [];
  for (let index = 0; index < count; index++) {
    const config = { ...CONFIG, cluster: brokers.settings };
    const hub = await startUsersHub(config, { data: temporaryFolder('hub') }, hubs[0]?.key);
    onTestFinished(() => hub.end());
    hubs.push(hub);
  }
  return hubs;
}

interface Listed {
  readonly session: string;
  readonly hub: string;
  readonly user: string;
  readonly opened: string;
}

interface Page {
  readonly sessions: readonly Listed[];
  readonly next: string | null;
  readonly journal: { readonly enabled: boolean; readonly since: string | null };
  readonly silentHubs?: number;
}

/** A hub that is busy for two seconds counts as silent, and the next answer has it again. */
async function page(hub: UsersHub, query: string): Promise<Page> {
  let found: Page | undefined;
  await until('all hubs reply', async () => {
    const reply = await hub.request('GET', `/v1/sessions?${query}`);
    expect(reply.status, reply.text).toBe(200);
    found = reply.json<Page>();
    return found.silentHubs === undefined;
  });
  return found as Page;
}

/** One session. Until the hub that may have it replies, the answer is `503`. */
function readSession(hub: UsersHub, session: string): Promise<Reply> {
  return answered(() => hub.request('GET', `/v1/sessions/${session}`));
}

async function pages(hub: UsersHub, query: string): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for (let after: string | null = ''; after !== null;) {
    const { sessions, next }: Page = await page(hub, `${query}&limit=2${after === '' ? '' : `&after=${after}`}`);
    found.push(...sessions);
    after = next;
  }
  return found;
}

describe.skipIf(NATS_SERVER === undefined)('sessions of a cluster', () => {
  test('they are listed, read and ended at any hub, live and of the journals', async () => {
    const hubs = await startHubs(2);
    const [one, other] = hubs as [UsersHub, UsersHub];
    for (const hub of hubs)
      for (const user of ['ann', 'bob', 'cleo']) hub.follow('sse', { channels: ['shop'], after: 'now', user });
    for (const hub of hubs) await until('all are connected', async () => (await page(hub, '')).sessions.length === 6);
    const all = (await page(one, '')).sessions;
    expect((await page(other, '')).sessions.map(({ session }) => session)).toEqual(all.map(({ session }) => session));
    expect(new Set(all.map(({ hub }) => hub)).size).toBe(2);
    const { journal } = await page(other, '');
    expect([journal.enabled, typeof journal.since]).toEqual([true, 'string']);
    for (const hub of hubs) {
      expect(await pages(hub, '')).toEqual(all);
      expect((await page(hub, 'user=ann')).sessions.map(({ user }) => user)).toEqual(['ann', 'ann']);
      expect((await page(hub, 'channel=other')).sessions).toEqual([]);
      expect((await page(hub, 'behind=1')).sessions).toEqual([]);
    }
    // Nothing is published, so a session is the same in the list and alone, at both hubs.
    const read = async (hub: UsersHub, { session }: Listed): Promise<object> =>
      (await readSession(hub, session)).json();
    for (const session of all) for (const hub of hubs) expect(await read(hub, session)).toEqual(session);

    // Each session is ended at both hubs in turn, so some are at the hub of the request.
    const ended = all.filter(({ user }) => user !== 'cleo');
    for (const [index, { session, user }] of ended.entries()) {
      const hub = hubs[index % 2] as UsersHub;
      const reply = await hub.request('DELETE', `/v1/sessions/${session}`);
      // A hub that replied too late has ended it all the same, or is asked again below.
      if (reply.status !== 503)
        expect([reply.status, reply.json()]).toEqual([200, { session, transport: 'sse', user }]);
      // A session that ends is still there until its client has closed.
      const deleteAgain = async (): Promise<number> => (await hub.request('DELETE', `/v1/sessions/${session}`)).status;
      await expect.poll(deleteAgain).toBe(404);
    }
    expect((await readSession(one, 'nobody')).status).toBe(404);
    await until('the journals have them', async () => (await page(one, 'state=ended')).sessions.length === 4);
    const journaled = (await page(one, 'state=ended')).sessions;
    expect(journaled.map(({ session }) => session).toSorted()).toEqual(ended.map(({ session }) => session).toSorted());
    const opened = journaled.map((session) => session.opened);
    expect(opened).toEqual(opened.toSorted().toReversed());
    for (const hub of hubs) {
      expect(await pages(hub, 'state=ended')).toEqual(journaled);
      expect((await pages(hub, 'state=ended&user=bob')).map(({ user }) => user)).toEqual(['bob', 'bob']);
    }
    for (const session of journaled) expect(await read(other, session)).toEqual(session);

    // A hub that stands still is asked for some seconds, and a request says that it did not reply.
    const [listed, unknown] = await whileSilent(
      [one, other],
      () => Promise.all([one.request('GET', '/v1/sessions'), one.request('DELETE', '/v1/sessions/nobody')]),
      (replies) => replies.every(({ text }) => text.includes('silent')),
    );
    expect(listed.json()).toMatchObject({ silentHubs: 1 });
    expect([unknown.status, unknown.json<{ code: string }>().code]).toEqual([503, 'hub_silent']);
  });
});
