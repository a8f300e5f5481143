import { describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import { NATS_SERVER, startBrokers } from '../kit/brokers.ts';
import { polycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { answered, type Reply } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { whileSilent } from './while-silent.ts';

/** Explanations of whole hubs, each a process, on a real broker. */
const CONFIG = { rules: [{ pattern: 'shop', subscribe: ['users'], publish: ['server'] }] };

interface Explained {
  readonly outcome: string;
  readonly reason: string;
  readonly steps: readonly {
    readonly step: string;
    readonly verdict: string;
    readonly reason?: string;
    readonly time: string | null;
    readonly detail?: Readonly<Record<string, unknown>>;
  }[];
}

function askToExplain(hub: UsersHub, event: string, reader: Readonly<Record<string, string>>): Promise<Reply> {
  return hub.request('GET', `/v1/explain?${new URLSearchParams({ event, ...reader }).toString()}`);
}

/** The hub that works on subscriptions may have to be waited for. */
async function explain(...asked: Parameters<typeof askToExplain>): Promise<Explained> {
  const reply = await answered(() => askToExplain(...asked));
  expect(reply.status, reply.text).toBe(200);
  return reply.json<Explained>();
}

/** A hub that is busy for two seconds counts as silent, and the next answer has it again. */
async function explainByAll(...[hub, event, reader]: Parameters<typeof explain>): Promise<Explained> {
  for (;;) {
    const reply = await askToExplain(hub, event, reader);
    if (isSilent(reply)) continue;
    expect(reply.status, reply.text).toBe(200);
    const explained = reply.json<Explained>();
    if (!explained.steps.some(({ step }) => step === 'hub')) return explained;
  }
}

/** Whether the answer is that the session may be at a hub that did not reply. */
function isSilent({ status, text }: Reply): boolean {
  return status === 503 && text.includes('hub_silent');
}

async function publish(hub: UsersHub, data: unknown): Promise<string> {
  const reply = await hub.request('POST', '/v1/events', { channel: 'shop', data });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ id: string }>().id;
}

describe.skipIf(NATS_SERVER === undefined)('explanations in a cluster', () => {
  test('the hub that is asked knows the sessions and leases of all hubs, and names one that is silent', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    const hubs: UsersHub[] = [];
    for (let count = 0; count < 2; count++) {
      const config = { ...CONFIG, cluster: brokers.settings };
      const hub = await startUsersHub(config, { data: temporaryFolder('hub') }, hubs[0]?.key);
      onTestFinished(() => hub.end());
      hubs.push(hub);
    }
    const [one, other] = hubs as [UsersHub, UsersHub];
    const sessionsOf = async (user: string, count: number): Promise<readonly { session: string; hub: string }[]> => {
      let found: { sessions: { session: string; hub: string }[] } = { sessions: [] };
      await until(`${user} has ${count} sessions`, async () => {
        found = (await one.request('GET', `/v1/sessions?user=${user}`)).json();
        return found.sessions.length === count;
      });
      return found.sessions;
    };
    // The first hub has the older session of ann, and the other one the newer:
    // the steps are in that order.
    one.follow('sse', { channels: ['shop'], after: 'now', user: 'ann' });
    const [first] = await sessionsOf('ann', 1);
    other.follow('sse', { channels: ['shop'], after: 'now', user: 'ann' });
    const both = await sessionsOf('ann', 2);
    const second = both.find(({ session }) => session !== first?.session);
    other.follow('sse', { channels: ['shop'], after: 'now', user: 'bob' });
    await sessionsOf('bob', 1);
    const event = await publish(one, 1);
    const isWritten = async (user: string): Promise<boolean> => {
      const { steps } = await explainByAll(one, event, { user });
      return steps.filter(({ step }) => step === 'session').every(({ verdict }) => verdict === 'passed');
    };
    for (const user of ['ann', 'bob']) await until(`${user} has it`, () => isWritten(user));

    for (const hub of hubs) {
      const explained = await explainByAll(hub, event, { user: 'ann' });
      expect([explained.outcome, explained.reason]).toEqual(['delivered', 'delivered']);
      const sessions = explained.steps.filter(({ step }) => step === 'session');
      expect(sessions.map(({ detail }) => [detail?.['session'], detail?.['hub']])).toEqual([
        [first?.session, first?.hub],
        [second?.session, second?.hub],
      ]);
      const ofBob = await explainByAll(hub, event, { user: 'bob' });
      expect(ofBob.steps.filter(({ step }) => step === 'session').map(({ verdict }) => verdict)).toEqual(['passed']);
      for (const { session } of both)
        expect((await explainByAll(hub, event, { session })).outcome, session).toBe('delivered');
      const ofChannel = await explainByAll(hub, event, { channel: 'shop' });
      expect(ofChannel.steps.find(({ step }) => step === 'channel')?.detail).toMatchObject({ sessions: 3, behind: 0 });
      const nobody = await explainByAll(hub, event, { user: 'cleo' });
      expect([nobody.reason, nobody.steps.filter(({ step }) => step === 'session')]).toEqual(['user_away', []]);
    }
    let unknown: Reply;
    do unknown = await askToExplain(one, event, { session: 'nobody' });
    while (isSilent(unknown));
    expect(unknown.status).toBe(404);

    // One hub has the lease in its memory, and both say so.
    const made = await one.request('POST', '/v1/subscriptions', {
      channels: ['shop'],
      delivery: { kind: 'pull', leaseSeconds: 60 },
    });
    const { id } = made.json<{ id: string }>();
    const leased = await publish(other, 2);
    const pulled = await other.request('POST', `/v1/subscriptions/${id}/pull`, { waitSeconds: 10 });
    expect(pulled.json<{ events: unknown[] }>().events).toHaveLength(1);
    for (const hub of hubs) {
      const explained = await explain(hub, leased, { subscription: id });
      expect([explained.outcome, explained.reason]).toEqual(['pending', 'leased']);
      expect(explained.steps.map(({ step }) => step)).toContain('lease');
      const ofChannel = await explainByAll(hub, leased, { channel: 'shop' });
      expect(ofChannel.steps.find(({ step }) => step === 'channel')?.detail).toMatchObject({ subscriptions: 1 });
    }
    const why = (): ReturnType<typeof polycast> =>
      polycast(['why', event, '--user', 'bob', '--url', one.url, '--key', one.key]);
    await expect.poll(why).toMatchObject({ code: 0, out: expect.stringContaining('was delivered') });

    // A hub that stands still is asked for some seconds.
    const [ofBob, session] = await whileSilent(
      [one, other],
      () =>
        Promise.all([
          askToExplain(one, event, { user: 'bob' }),
          askToExplain(one, event, { session: second?.session ?? '' }),
        ]),
      (replies) => replies.every(({ text }) => text.includes('hub_silent')),
    );
    const bob = ofBob.json<Explained>();
    expect([bob.outcome, bob.reason]).toEqual(['unknown', 'hub_silent']);
    const silent = bob.steps.filter(({ step }) => step === 'hub');
    expect(silent).toMatchObject([{ verdict: 'unknown', reason: 'hub_silent', detail: { hub: second?.hub } }]);
    expect([session.status, session.json<{ code: string }>().code]).toEqual([503, 'hub_silent']);
  });
});
