import { describe, expect, onTestFinished, test } from 'vitest';
import { startUsersHub, type UsersHub } from '../identity/kit/users-hub.ts';
import type { Follower } from '../kit/clients/followers.ts';
import { NATS_SERVER, startBrokers } from '../kit/brokers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { until } from '../kit/wait.ts';

/** Presence of whole hubs, each a process, on a real broker. The first hub announces. */
const GRACE_SECONDS = 2;
const CONFIG = {
  presence: { graceSeconds: GRACE_SECONDS, pollSeconds: 2, systemEvents: true },
  rules: [{ pattern: 'room.*', subscribe: ['users'], presence: ['users'] }],
};
const ROOM = 'room.1';
const OBSERVED = [`polycast.presence.${ROOM}`, 'polycast.users.*', 'polycast.channels.*'];

interface Snapshot {
  readonly users: number;
  readonly members: readonly { readonly user: string; readonly sessions: number }[];
}

/** `join ann 1`, `online ann`, `occupied room.1`: what an observer has received. */
function wordsOf({ received }: Follower): string[] {
  return received.map(({ json }) => {
    const { type, data } = JSON.parse(json) as { type: string; data: Record<string, string | number> };
    const sessions = data['sessions'] === undefined ? '' : ` ${data['sessions']}`;
    return `${type.slice('polycast.'.length)} ${data['user'] ?? data['channel']}${sessions}`;
  });
}

/** The members at a hub, once it has an answer. */
async function membersAt(hub: UsersHub): Promise<readonly string[]> {
  const reply = await hub.request('GET', `/v1/channels/${ROOM}/presence`);
  if (reply.status !== 200) return [String(reply.status)];
  return reply
    .json<Snapshot>()
    .members.map(({ user, sessions }) => `${user} ${sessions}`)
    .toSorted();
}

async function untilMembers(hubs: readonly UsersHub[], expected: readonly string[]): Promise<void> {
  for (const hub of hubs)
    await until(`the members are ${expected.join(', ')}`, async () => {
      return (await membersAt(hub)).join() === expected.join();
    });
}

describe.skipIf(NATS_SERVER === undefined)('presence of a cluster', () => {
  test('users are present once at all hubs, leave with the last hub that has them, and no hub that is killed takes others along', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    let key: string | undefined;
    const start = async (data = temporaryFolder('hub')): Promise<UsersHub> => {
      const hub = await startUsersHub({ ...CONFIG, cluster: brokers.settings }, { data }, key);
      onTestFinished(() => hub.end());
      key = hub.key;
      return hub;
    };
    const announcing = await start();
    const [second, third] = [await start(), await start()];
    const hubs = [announcing, second, third];
    const observers = hubs.map((hub) => hub.follow('sse', { channels: OBSERVED, after: 'earliest', token: hub.key }));
    await untilMembers(hubs, []);
    for (const hub of [announcing, second]) hub.follow('sse', { channels: [ROOM], after: 'now', user: 'ann' });
    third.follow('websocket', { channels: [ROOM], after: 'now', user: 'bob' });
    second.follow('sse', { channels: [ROOM], after: 'now', user: 'cleo' });
    await untilMembers(hubs, ['ann 2', 'bob 1', 'cleo 1']);
    const [, , observer] = observers as [Follower, Follower, Follower];
    const count = (word: RegExp): number => wordsOf(observer).filter((each) => word.test(each)).length;
    for (const each of observers)
      await until(
        'all observers have seen the same',
        () => wordsOf(each).filter((word) => /^(join|online|occupied)/.test(word)).length === 7,
      );
    expect([count(/^online/), count(/^join/), count(/^occupied/), count(/^(leave|offline|vacated)/)]).toEqual([
      3, 3, 1, 0,
    ]);
    expect(await announcing.request('GET', '/v1/users/cleo')).toMatchObject({ status: 200 });

    // Ann has a session at the announcing hub, too.
    let killedMs = performance.now();
    await second.process.end('SIGKILL');
    await until('cleo has left', () => wordsOf(observer).includes('leave cleo'));
    console.log(`the user of a killed hub left after ${Math.round(performance.now() - killedMs)} ms`);
    await until('cleo is offline', () => wordsOf(observer).includes('offline cleo'));
    await untilMembers([announcing, third], ['ann 1', 'bob 1']);
    expect([count(/^leave/), count(/^offline/), count(/^join/)]).toEqual([1, 1, 3]);

    // A hub that starts late knows what was announced, and announces when the others are gone.
    const late = await start();
    await untilMembers([late], ['ann 1', 'bob 1']);
    killedMs = performance.now();
    await announcing.process.end('SIGKILL');
    await until('ann has left', () => wordsOf(observer).includes('leave ann'));
    console.log(`the user of the killed announcing hub left after ${Math.round(performance.now() - killedMs)} ms`);
    await untilMembers([third, late], ['bob 1']);
    await until('ann is offline', () => wordsOf(observer).includes('offline ann'));
    late.follow('sse', { channels: [ROOM], after: 'now', user: 'dora' });
    await untilMembers([third, late], ['bob 1', 'dora 1']);
    await until('dora has joined', () => count(/^join dora/) > 0);
    await third.process.end('SIGKILL');
    await untilMembers([late], ['dora 1']);
    expect([count(/^leave/), count(/^offline/), count(/^join/), count(/^vacated/)]).toEqual([2, 2, 4, 0]);
  });
});
