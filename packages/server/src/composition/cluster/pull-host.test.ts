import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { sentPrincipal } from '../../auth/session-updates.ts';
import { AccessPolicy } from '../../core/access/access-policy.ts';
import type { Principal } from '../../core/access/principal.ts';
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

interface PullingElsewhere {
  /** The key gets a new secret at the other hub, with which the session authenticates. */
  renew(): void;
  /** The hub that works learns the keys as they are at the other hub. */
  receiveKeys(): void;
  /** When the hub that works has the newest state, and how many times it has waited for that. */
  readonly newest: PromiseWithResolvers<void>;
  readonly waits: number;
  /** The pull is checked with the session's new secret. */
  recheck(): Promise<unknown>;
  revoke(): void;
  publish(data: string): Promise<unknown>;
  /** The events of the session, and the codes with which its pull ended. */
  readonly received: readonly string[];
}

/** A session at another hub pulls with a key. */
async function pullElsewhere(): Promise<PullingElsewhere> {
  const [identity, elsewhere] = [openTestIdentity(), openTestIdentity()] as const;
  const { key } = elsewhere.keys.create({ name: 'worker', scopes: SCOPES, expiresMs: undefined }, OPERATOR);
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
  const newest = Promise.withResolvers<void>();
  newest.promise.catch(() => undefined);
  let waits = 0;
  const reachNewest = (): Promise<void> => {
    waits++;
    return newest.promise;
  };
  const host = new PullHost(
    {
      subscriptions: { isWorking: true, hasLeft: false } as ClusterSubscriptions,
      log: { shared: { reachNewest } },
      openPulls: (session) => new WebSocketPulls(pulls, session),
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
  const announce = (): void => {
    const principal = sentPrincipal(elsewhere.keys.principalOf(key.id) as Principal);
    channel.send('pull-session', encodeJson({ session: SESSION, principal } satisfies AnnouncedSession));
  };
  announce();
  const operation = { op: 'pull', ref: undefined, members: { subscription, credit: 10 } } as const;
  await channel.request('pull', encodeJson({ session: SESSION, operation } satisfies ForwardedOperation));
  return {
    receiveKeys,
    newest,
    received,
    get waits() {
      return waits;
    },
    renew() {
      elsewhere.keys.rotate(key.id, 60_000, OPERATOR);
      announce();
    },
    recheck: () => channel.request('pull-recheck', encodeJson(SESSION)),
    revoke: () => void elsewhere.keys.revoke(key.id, OPERATOR),
    publish: (data) => kit.publish('jobs.1', data),
  };
}

test('a pull goes on with a secret that the hub which works learns later', async () => {
  const pulling = await pullElsewhere();
  await pulling.publish('before');
  await waitUntil(() => expect(pulling.received).toEqual(['before']));
  pulling.renew();
  const checked = pulling.recheck();
  await pulling.publish('meanwhile');
  await waitUntil(() => expect(pulling.waits).toBe(2));
  pulling.receiveKeys();
  pulling.newest.resolve();
  await checked;
  await pulling.publish('after');
  await waitUntil(() => expect(pulling.received).toEqual(['before', 'meanwhile', 'after']));
  expect(pulling.waits).toBe(2);
});

test('a pull ends when its key has been revoked', async () => {
  const pulling = await pullElsewhere();
  pulling.renew();
  pulling.revoke();
  pulling.receiveKeys();
  pulling.newest.resolve();
  await pulling.recheck();
  await pulling.publish('secret');
  expect(pulling.received).toEqual(['unauthorized']);
});

test('a pull ends when its key cannot be learned', async () => {
  const pulling = await pullElsewhere();
  pulling.renew();
  pulling.newest.reject(new PolycastError('log_unavailable'));
  await pulling.recheck();
  expect(pulling.received).toEqual(['log_unavailable']);
});
