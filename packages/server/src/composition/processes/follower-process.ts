import { routeName } from '../../http/route.ts';
import type { Route } from '../../auth/route.ts';
import { isRefusedReading, type Refusal } from '../../auth/refusal-log.ts';
import { followQuota } from '../../auth/quota-shares.ts';
import { SessionReport } from '../../auth/session-report.ts';
import type { Authority } from '../../core/access/authority.ts';
import { createForwarder, type RequestForwarder } from '../../http/forward-requests.ts';
import type { Metrics } from '../../operate/metrics.ts';
import type { TrimmedCache } from '../../operate/retention-task.ts';
import { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import { REQUESTS_SOCKET, type ProcessPlace, type Welcome } from '../../processes/process-place.ts';
import type { StorageOptions } from '../../storage/home.ts';
import { openStorage, type Storage } from '../../storage/open-storage.ts';
import type { Trim } from '../../storage/processes/followed-log.ts';
import { followerHome } from '../../storage/processes/process-storage.ts';
import type { OpenPulls } from '../../streams/socket-pulls.ts';
import { ForwardedPulls } from '../../subscriptions/http/forwarded-pulls.ts';
import type { HubBase } from '../base.ts';
import { shareRatesAtFollower } from './shared-rates.ts';
import type { EventCache, HubProcesses, JoiningParts, ReadStatus, Reload } from './hub-processes.ts';

/** Requests wait at most this long for another owner. */
const OWNER_WAIT_MS = 5000;

/** The routes that every process answers by itself. The owner answers the others. */
const OWN_ROUTES: ReadonlySet<string> = new Set([
  'GET /v1/events',
  'GET /v1/channels/{channel}',
  'GET /v1/channels/{channel}/history',
  'POST /v1/events',
  'POST /v1/channels/{channel}/events',
  'POST /v1/users/{user}/events',
  'POST /v1/users/events',
  'GET /healthz',
  'GET /readyz',
  'GET /client.js',
  'GET /client/presence.js',
  'GET /client/tabs.js',
]);

/** Opens a follower: it reaches the owner, whose further messages wait until all parts are open. */
export async function openFollowerProcess(base: HubBase, place: ProcessPlace): Promise<HubProcesses> {
  const owner = new OwnerLink(place.folder, { index: place.index, pid: process.pid }, base.logger);
  base.shutdown.add('storage', () => owner.close());
  return new FollowerProcess(base, place, owner, await owner.start());
}

/**
 * A process that follows the owner. It reads and publishes for its clients, and forwards everything
 * else.
 */
class FollowerProcess implements HubProcesses {
  readonly place: ProcessPlace;
  readonly openPulls: OpenPulls;
  readonly #base: HubBase;
  readonly #owner: OwnerLink;
  readonly #welcome: Welcome;
  readonly #forwarder: RequestForwarder;
  #report: SessionReport | undefined;
  #cache: EventCache | undefined;

  constructor(base: HubBase, place: ProcessPlace, owner: OwnerLink, welcome: Welcome) {
    this.place = place;
    this.#base = base;
    this.#owner = owner;
    this.#welcome = welcome;
    this.#forwarder = createForwarder(`${place.folder}/${REQUESTS_SOCKET}`, () => owner.whenConnected(OWNER_WAIT_MS));
    base.shutdown.add('sockets', () => this.#forwarder.close());
    const pulls = new ForwardedPulls(owner);
    this.openPulls = (session) => pulls.open(session);
  }

  openStorage(options: StorageOptions): Promise<Storage> {
    const { logger } = this.#base;
    const onOutOfSync = (why: string): void => {
      logger.error({ why }, 'process: cannot follow the owner, ends and is replaced');
      logger.flush(() => process.exit(1));
    };
    const { cluster } = options;
    const isInCluster = cluster.nats.length > 0;
    // The owner alone knows the cluster.
    return openStorage(
      { ...options, cluster: { ...cluster, nats: [] } },
      followerHome({
        owner: this.#owner,
        welcome: this.#welcome,
        isInCluster,
        onErased: (positions) => this.#cache?.onErased(positions),
        onOutOfSync,
      }),
    );
  }

  authority(own: Authority): Authority {
    this.#owner.on('forget', (body) => own.forgetUser?.(decodeJson(body)));
    return own;
  }

  trimmedCache(own: EventCache): TrimmedCache {
    this.#cache = own;
    // What was removed before the next owner was there is not known.
    this.#owner.onWelcome(() => own.onErased([own.head]));
    this.#owner.on('trimmed', (body) => {
      const { orders, nowMs } = decodeJson<Trim>(body);
      own.onTrimmed(orders, nowMs);
    });
    return own;
  }

  reload(own: Reload): Reload {
    this.#owner.on('reload', async () => encodeJson(await own({ kind: 'hub' })));
    return own;
  }

  metrics(own: Metrics): Metrics {
    this.#owner.on('metrics', async () => encodeJson(await own.text()));
    return own;
  }

  status(own: ReadStatus): ReadStatus {
    this.#owner.on('status', async () => encodeJson(await own({ address: '', forwarded: false, encrypted: false })));
    return own;
  }

  routes(own: readonly Route[]): readonly Route[] {
    return own.map((route) => {
      if (OWN_ROUTES.has(routeName(route))) return route;
      const { method, path, isPublic = false } = route;
      return { method, path, isPublic, answer: this.#forwarder.forward };
    });
  }

  refused(refusal: Refusal): void {
    if (isRefusedReading(refusal)) this.#report?.refused(refusal);
  }

  countElsewhere(): number {
    return 0;
  }

  async join({ log, publisher, sessions, auth }: JoiningParts): Promise<void> {
    const isRecording = this.#base.config.sessions.journalEntriesMax > 0;
    const report = new SessionReport({ owner: this.#owner, sessions, auth, head: () => log.state.head, isRecording });
    this.#report = report;
    followQuota(this.#owner, auth.connectionQuota);
    shareRatesAtFollower(this.#owner, publisher);
    this.#base.shutdown.add('tasks', () => report.close());
    this.#base.shutdown.add('sessions', () => report.flush());
    this.#owner.resume();
  }
}
