import type { Server } from 'node:http';
import type { TransportName } from '@polycast/protocol';
import type { ReloadOutcome } from '../../administration/reload-route.ts';
import { QuotaShares } from '../../auth/quota-shares.ts';
import { SessionMirror } from '../../auth/session-mirror.ts';
import type { Route } from '../../auth/route.ts';
import { routeName } from '../../http/route.ts';
import type { IdentityHearing } from '../../core/access/identity-store.ts';
import type { Authority } from '../../core/access/authority.ts';
import { serveForwardedRequests } from '../../http/forwarded-server.ts';
import type { HubStatus } from '../../operate/hub-status.ts';
import { mergeMetrics } from '../../operate/merged-metrics.ts';
import { mergeStatus } from '../../operate/merged-status.ts';
import type { Metrics } from '../../operate/metrics.ts';
import type { TrimmedCache } from '../../operate/retention-task.ts';
import { FollowerLinks } from '../../processes/follower-links.ts';
import { encodeJson } from '../../processes/process-channel.ts';
import { REQUESTS_SOCKET, type ProcessPlace } from '../../processes/process-place.ts';
import { openStorage, type Storage } from '../../storage/open-storage.ts';
import type { StorageOptions } from '../../storage/home.ts';
import type { Trim } from '../../storage/processes/followed-log.ts';
import { followedStorage } from '../../storage/processes/process-storage.ts';
import { sentIdentity } from '../../storage/processes/identity-messages.ts';
import { hostPulls } from '../../subscriptions/http/hosted-pulls.ts';
import type { HubBase } from '../base.ts';
import { shareRatesAtOwner } from './shared-rates.ts';
import type { HubProcesses, JoiningParts, ReadStatus, Reload } from './hub-processes.ts';

/** A follower that is silent for this time is left out of metrics and status. */
const ANSWER_TIMEOUT_MS = 2000;
/** A reload fetches certificates and keys. */
const RELOAD_TIMEOUT_MS = 30_000;
const NO_BYTES = Buffer.alloc(0);
/** The routes whose answers depend on the positions of sessions. */
const SESSION_ROUTES: ReadonlySet<string> = new Set([
  'GET /v1/sessions',
  'GET /v1/sessions/{session}',
  'GET /v1/users/{user}',
  'GET /v1/explain',
]);

/**
 * The process that owns the data. It also serves clients, and does for all processes what one of
 * them has to do: subscriptions, presence, retention, keys and the administration.
 */
export class OwnerProcess implements HubProcesses {
  readonly place: ProcessPlace;
  readonly openPulls = undefined;
  readonly #base: HubBase;
  readonly #followers: FollowerLinks;
  #mirror: SessionMirror | undefined;
  #hearing: IdentityHearing | undefined;

  constructor(base: HubBase, place: ProcessPlace) {
    this.#base = base;
    this.place = place;
    this.#followers = new FollowerLinks(base.logger);
    base.shutdown.add('sockets', () => this.#followers.close());
  }

  async openStorage(options: StorageOptions): Promise<Storage> {
    const storage = followedStorage(await openStorage(options), this.#followers);
    this.#hearing = storage.identity.hearing;
    return storage;
  }

  authority(own: Authority): Authority {
    return {
      ...own,
      forgetUser: (user) => {
        own.forgetUser?.(user);
        this.#followers.broadcast('forget', encodeJson(user));
      },
    };
  }

  trimmedCache(own: TrimmedCache): TrimmedCache {
    return {
      onTrimmed: (orders, nowMs) => {
        own.onTrimmed(orders, nowMs);
        this.#followers.broadcast('trimmed', encodeJson({ orders, nowMs } satisfies Trim));
      },
    };
  }

  /** The others reload what this process has accepted. */
  reload(own: Reload): Reload {
    return async (by) => {
      const outcome = await own(by);
      if (!outcome.ok) return outcome;
      const answers = await this.#followers.ask<ReloadOutcome>('reload', NO_BYTES, RELOAD_TIMEOUT_MS);
      let { sessions } = outcome;
      for (const answer of answers.values()) if (answer.ok) sessions += answer.sessions;
      return { ...outcome, sessions };
    };
  }

  metrics(own: Metrics): Pick<Metrics, 'text' | 'contentType'> {
    return {
      contentType: own.contentType,
      text: async () => {
        const asked = this.#followers.ask<string>('metrics', NO_BYTES, ANSWER_TIMEOUT_MS);
        const pages = [{ process: this.place.index, text: await own.text() }];
        for (const [{ index }, text] of await asked) pages.push({ process: index, text });
        return mergeMetrics(pages.toSorted((one, other) => one.process - other.process));
      },
    };
  }

  status(own: ReadStatus): ReadStatus {
    return async (caller) => {
      const all = [...this.#followers.all];
      const asked = this.#followers.ask<HubStatus>('status', NO_BYTES, ANSWER_TIMEOUT_MS);
      const status = await own(caller);
      const answers = await asked;
      const silent = all.filter((link) => !answers.has(link)).map(({ pid }) => pid);
      return mergeStatus(status, [...answers.values()], silent);
    };
  }

  /** Answers about sessions say where those of the followers are now. */
  routes(own: readonly Route[]): readonly Route[] {
    return own.map((route) => {
      if (!('handle' in route) || !SESSION_ROUTES.has(routeName(route))) return route;
      const { handle } = route;
      return {
        ...route,
        handle: async (request) => {
          await this.#mirror?.refresh();
          return handle(request);
        },
      };
    });
  }

  refused(): void {
    // Its own journal records it.
  }

  countElsewhere(transport: TransportName): number {
    return this.#mirror?.count(transport) ?? 0;
  }

  async join({
    log,
    sessions,
    presence,
    journal,
    keys,
    revocations,
    loginSignatures,
    auth: { connectionQuota: quota },
    publisher,
    frontend,
    openPulls,
  }: JoiningParts): Promise<void> {
    const followers = this.#followers;
    const mirror = new SessionMirror({
      followers,
      sessions,
      keyPrincipal: (key, issuedMs) => keys.principalIssuedAt(key, issuedMs),
      checkCapacity: (principal, channels) => presence.checkCapacity(principal, channels),
      quota,
      refused: (refusal) => journal?.refused(refusal),
    });
    this.#mirror = mirror;
    new QuotaShares({ followers, sessions, quota, linkOf: (session) => mirror.linkOf(session) });
    shareRatesAtOwner(followers, publisher);
    hostPulls({ followers, openPulls, findSession: (link, id) => mirror.find(link, id) });
    const { folder } = this.place;
    const server: Server = await serveForwardedRequests(`${folder}/${REQUESTS_SOCKET}`, frontend.answerForwarded);
    this.#base.shutdown.add('sockets', () => {
      server.close();
      server.closeAllConnections();
    });
    await followers.listen(folder, () => ({
      ...log.state,
      isCurrent: this.#hearing?.isCurrent,
      identity: sentIdentity({
        keys: keys.list(),
        revocations: revocations.list(),
        loginSigners: loginSignatures.signers,
      }),
    }));
  }
}
