import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { sentPrincipal } from '../../auth/session-updates.ts';
import { AccessPolicy } from '../../core/access/access-policy.ts';
import type { Grants, Principal } from '../../core/access/principal.ts';
import type { ApiKeys } from '../../identity/api-keys.ts';
import { createAuthority, DENY_ALL } from '../../identity/authority.ts';
import { decodeJson, encodeJson, ProcessChannel } from '../../processes/process-channel.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { TransportStats } from '../../streams/stream-parts.ts';
import type { ForwardedMessage, ForwardedOperation } from '../../subscriptions/http/forwarded-pulls.ts';
import { WebSocketPulls } from '../../subscriptions/http/websocket-pulls.ts';
import { newPullSubscription } from '../../testing/pull-queue.ts';
import { openSubscriptionKit } from '../../testing/subscription-kit.ts';
import { waitUntil } from '../../testing/subscription-hub.ts';
import { createTestAuth } from '../../testing/test-auth.ts';
import { OPERATOR, openTestIdentity } from '../../testing/test-identity.ts';
import { Shutdown } from '../shutdown.ts';
import { PullHost, type AnnouncedSession } from './pull-host.ts';

const SCOPES = { subscriptions: ['jobs.>'], subscribe: ['jobs.>'] };
const SESSION = 'ses_1';

interface SessionElsewhere {
  /** The keys of the other hub, and the one of the session. */
  readonly keys: ApiKeys;
  readonly key: string;
  /** The hub that works learns the keys of the other hub. */
  receiveKeys(): void;
  /** The waits of the hub that works for its newest state. */
  readonly waits: readonly PromiseWithResolvers<void>[];
  /** The other hub tells who the session is, by the newest secret of the key. */
  announce(): Promise<unknown>;
  pull(): Promise<unknown>;
  recheck(): Promise<unknown>;
  publish(data: string): Promise<unknown>;
  /** The hub works when `began` resolves, or from the start. */
  readonly work: { isWorking: boolean; readonly began: PromiseWithResolvers<void> };
  /** How many sessions the hub has opened for pulls. */
  readonly opened: number;
  closeLink(): void;
  /** The events of the session, and the codes with which its pull ended. */
  readonly received: readonly string[];
}

/** A session at another hub, with a key that the hub which works has too. */
async function openSessionElsewhere(scopes: Grants = SCOPES): Promise<SessionElsewhere> {
  const [identity, elsewhere] = [openTestIdentity(), openTestIdentity()] as const;
  const { key } = elsewhere.keys.create({ name: 'worker', scopes, expiresMs: undefined }, OPERATOR);
  const receiveKeys = (): void => identity.keys.replaceAll(elsewhere.keys.list());
  receiveKeys();

  const kit = await openSubscriptionKit();
  const subscription = await kit.create(newPullSubscription());
  const { keys, revocations } = identity;
  const authority = createAuthority({
    access: new AccessPolicy([], {}),
    identifiers: [keys],
    revocations,
    channelAuthorizer: DENY_ALL,
  });
  const auth = createTestAuth({ authority });
  const stats: Pick<TransportStats, 'deliveries'> = { deliveries: { websocket: 0 } as TransportStats['deliveries'] };
  const pulls = {
    ...kit.engine,
    feed: kit.feed,
    auth,
    stats: stats as TransportStats,
    settings: { leaseMaxSeconds: 60 },
  };
  const waits: PromiseWithResolvers<void>[] = [];
  const reachNewest = (): Promise<void> => {
    const wait = Promise.withResolvers<void>();
    waits.push(wait);
    return wait.promise;
  };
  const work = { isWorking: true, hasLeft: false, began: Promise.withResolvers<void>() };
  let opened = 0;
  const host = new PullHost(
    {
      subscriptions: Object.assign(work, {
        changed: () => work.began.promise,
      }) as Partial<ClusterSubscriptions> as ClusterSubscriptions,
      log: { shared: { reachNewest } },
      openPulls(session) {
        opened++;
        return new WebSocketPulls(pulls, session);
      },
      keyPrincipal: (id, issuedMs) => keys.principalIssuedAt(id, issuedMs),
      logger: auth.logger,
    },
    new Shutdown(),
  );

  const [here, there] = duplexPair();
  onTestFinished(() => void here.destroy());
  const upgraded = once(here, 'data');
  host.accept(there, Buffer.alloc(0));
  await upgraded;
  const received: string[] = [];
  const channel = new ProcessChannel(
    here,
    (name) => (body) => {
      if (name === 'pull-respond') {
        const { content } = decodeJson<ForwardedMessage>(body);
        received.push(content.op === 'pulled' ? content.code : content.op);
      } else if (name === 'pull-send') received.push(/"data":"(\w+)"/.exec(body.toString())?.[1] ?? '');
    },
    (error) => {
      throw error;
    },
  );
  const operation = { op: 'pull', ref: undefined, members: { subscription, credit: 10 } } as const;
  return {
    keys: elsewhere.keys,
    key: key.id,
    receiveKeys,
    waits,
    received,
    work,
    get opened() {
      return opened;
    },
    closeLink: () => void there.destroy(),
    announce() {
      const principal = sentPrincipal(elsewhere.keys.principalOf(key.id) as Principal);
      channel.send('pull-session', encodeJson({ session: SESSION, principal } satisfies AnnouncedSession));
      // The answer to a later request: the announcement has arrived.
      return channel.request('pull-recheck', encodeJson('another session'));
    },
    pull: () => channel.request('pull', encodeJson({ session: SESSION, operation } satisfies ForwardedOperation)),
    recheck: () => channel.request('pull-recheck', encodeJson(SESSION)),
    publish: (data) => kit.publish('jobs.1', data),
  };
}

/** The session pulls, and then has a new secret that the hub which works does not know. */
async function openPullWithNewSecret(): Promise<SessionElsewhere> {
  const session = await openSessionElsewhere();
  await session.announce();
  await session.pull();
  expect(session.waits).toEqual([]);
  session.keys.rotate(session.key, 60_000, OPERATOR);
  await session.announce();
  return session;
}

test('a pull goes on with a secret that the hub which works learns later, and so do its events', async () => {
  const session = await openPullWithNewSecret();
  const checked = session.recheck();
  await session.publish('meanwhile');
  await waitUntil(() => expect(session.waits).toHaveLength(2));
  session.receiveKeys();
  for (const { resolve } of session.waits) resolve();
  await checked;
  await session.publish('after');
  await waitUntil(() => expect(session.received).toEqual(['meanwhile', 'after']));
  expect(session.waits).toHaveLength(2);
});

test('a pull goes on when the session gets one more secret during the wait for the first', async () => {
  const session = await openPullWithNewSecret();
  const checked = session.recheck();
  await waitUntil(() => expect(session.waits).toHaveLength(1));
  session.receiveKeys();
  session.keys.rotate(session.key, 60_000, OPERATOR);
  await session.announce();
  session.waits[0]?.resolve();
  await waitUntil(() => expect(session.waits).toHaveLength(2));
  session.receiveKeys();
  session.waits[1]?.resolve();
  await checked;
  await session.publish('after');
  await waitUntil(() => expect(session.received).toEqual(['after']));
});

test('a pull begins with scopes of its key that the hub which works learns later', async () => {
  const session = await openSessionElsewhere({ ...SCOPES, subscribe: ['other'] });
  session.keys.change(session.key, { scopes: SCOPES }, OPERATOR);
  await session.announce();
  const answered = session.pull();
  await waitUntil(() => expect(session.waits).toHaveLength(1));
  session.receiveKeys();
  session.waits[0]?.resolve();
  await answered;
});

test('a pull ends without a second wait when its key has been revoked', async () => {
  const session = await openPullWithNewSecret();
  void session.keys.revoke(session.key, OPERATOR);
  const checked = session.recheck();
  await waitUntil(() => expect(session.waits).toHaveLength(1));
  session.receiveKeys();
  session.waits[0]?.resolve();
  await checked;
  expect(session.received).toEqual(['unauthorized']);
  await expect(session.pull()).rejects.toMatchObject({ code: 'unauthorized' });
  expect(session.waits).toHaveLength(1);
});

test('a pull ends when the newest state cannot be learned', async () => {
  const session = await openPullWithNewSecret();
  const checked = session.recheck();
  await waitUntil(() => expect(session.waits).toHaveLength(1));
  session.waits[0]?.reject(new PolycastError('log_unavailable'));
  await checked;
  expect(session.received).toEqual(['log_unavailable']);
});

test('a pull whose link has closed does not begin when the hub begins to work', async () => {
  const session = await openSessionElsewhere();
  session.work.isWorking = false;
  await session.announce();
  session.pull().catch(() => undefined);
  await session.announce();
  session.closeLink();
  session.work.isWorking = true;
  session.work.began.resolve();
  await new Promise(setImmediate);
  expect(session.opened).toBe(0);
});
