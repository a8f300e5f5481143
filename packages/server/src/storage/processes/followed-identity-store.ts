import type {
  IdentityChange,
  IdentityFollower,
  IdentityHearing,
  IdentityStore,
  SharedIdentity,
  StoredIdentity,
} from '../../core/access/identity-store.ts';
import type { FollowerLinks } from '../../processes/follower-links.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import { sentChanges, sentIdentity } from './identity-messages.ts';

/** A change is answered at the latest after this time, whether all followers have it or not. */
const FOLLOWERS_TIMEOUT_MS = 2000;

/**
 * The owner's identity store: every key and revocation is in force at all followers before the
 * request that made it is answered. Example: a client gets a new key, and uses it at another
 * process immediately.
 *
 * A follower that does not confirm a change in two seconds has stopped; it applies the change
 * before it handles anything else.
 *
 * In a cluster, the followers also get what other hubs change, and hear whether this hub hears of
 * it.
 */
export class FollowedIdentityStore implements IdentityStore {
  readonly #store: IdentityStore;
  readonly #followers: FollowerLinks;
  readonly shared?: SharedIdentity;
  readonly hearing?: IdentityHearing;
  #confirmed: Promise<unknown> = Promise.resolve();
  #stopSending: () => void = () => undefined;

  constructor(store: IdentityStore, followers: FollowerLinks) {
    this.#store = store;
    this.#followers = followers;
    const { shared } = store;
    if (shared === undefined) return;
    this.shared = {
      commit: async (changes, conditions) => {
        const refusal = await shared.commit(changes, conditions);
        await this.#confirmed;
        return refusal;
      },
      versionOf: (key) => shared.versionOf(key),
      reach: () => shared.reach(),
      auditPage: (before, limit) => shared.auditPage(before, limit),
      get isCurrent() {
        return shared.isCurrent;
      },
    };
    this.hearing = this.shared;
    followers.on('identity-reach', () => shared.reach());
    this.#stopSending = followers.keepSending('identity-current', () => shared.isCurrent);
  }

  /** Followers send the times at which keys were used, and other hubs what they have changed. */
  follow(listener: IdentityFollower): void {
    this.#followers.on('identity', async (_link, body) => {
      const changes = decodeJson<readonly IdentityChange[]>(body);
      listener.changed(changes);
      await this.#store.writeSoon(() => changes);
    });
    this.#store.follow?.({
      changed: (changes) => {
        this.#broadcast(changes);
        listener.changed(changes);
      },
      replaced: (identity) => {
        this.#followers.broadcast('identity-replaced', encodeJson(sentIdentity(identity)));
        listener.replaced(identity);
      },
    });
  }

  load(): StoredIdentity {
    return this.#store.load();
  }

  maintain(writes: () => void): void {
    this.#store.maintain(writes);
  }

  close(): void {
    this.#stopSending();
    this.#store.close();
  }

  whenWritable(): Promise<void> {
    return this.#store.whenWritable();
  }

  write(changes: readonly IdentityChange[]): void {
    this.#store.write(changes);
    this.#broadcast(changes);
  }

  async whenDurable(): Promise<void> {
    await Promise.all([this.#store.whenDurable(), this.#confirmed]);
  }

  async writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void> {
    // In force immediately, whether the disk accepts it or not.
    this.#broadcast(changes());
    await Promise.all([this.#store.writeInForce(changes, onStored), this.#confirmed]);
  }

  async retryWrites(): Promise<void> {
    await Promise.all([this.#store.retryWrites(), this.#confirmed]);
  }

  writeSoon(changes: () => readonly IdentityChange[]): Promise<void> {
    return this.#store.writeSoon(changes);
  }

  auditPage(before: number, limit: number): ReturnType<IdentityStore['auditPage']> {
    return this.#store.auditPage(before, limit);
  }

  #broadcast(changes: readonly IdentityChange[]): void {
    const sent = sentChanges(changes);
    if (sent.length === 0 || this.#followers.count === 0) return;
    const confirmed = this.#followers.ask('identity', encodeJson(sent), FOLLOWERS_TIMEOUT_MS);
    // Without a value: otherwise each result would hold all earlier ones in memory.
    this.#confirmed = Promise.all([this.#confirmed, confirmed]).then(() => undefined);
  }
}
