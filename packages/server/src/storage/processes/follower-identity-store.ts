import type {
  AuditEntry,
  IdentityChange,
  IdentityFollower,
  IdentityHearing,
  IdentityStore,
  StoredIdentity,
} from '../../core/access/identity-store.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import type { Welcome } from '../../processes/process-place.ts';
import { OWNER_SILENT_MAX_MS, type FollowerParts } from './follower-parts.ts';
import { receivedChange, receivedIdentity, type SentChange, type SentIdentity } from './identity-messages.ts';

const NO_BYTES = Buffer.alloc(0);

/**
 * The identity store of a follower. It has what the owner has sent, and writes nothing by itself:
 * the routes that change keys and revocations are answered by the owner. Only the times of last
 * use come from here.
 */
export class FollowerIdentityStore implements IdentityStore {
  readonly #owner: OwnerLink;
  readonly #stored: StoredIdentity;
  readonly hearing?: IdentityHearing;

  constructor({ owner, welcome, isInCluster }: FollowerParts) {
    this.#owner = owner;
    this.#stored = identityOf(welcome);
    if (isInCluster) this.hearing = hearingOf(owner, welcome);
  }

  load(): StoredIdentity {
    return this.#stored;
  }

  follow(listener: IdentityFollower): void {
    this.#owner.on('identity', (body) => {
      listener.changed(decodeJson<readonly SentChange[]>(body).map(receivedChange));
      return Buffer.from('null');
    });
    this.#owner.on('identity-replaced', (body) => listener.replaced(receivedIdentity(decodeJson(body))));
    this.#owner.onWelcome((welcome) => listener.replaced(identityOf(welcome)));
  }

  write(changes: readonly IdentityChange[]): void {
    const sent = changes.filter(({ kind }) => kind === 'key_used');
    if (sent.length > 0) this.#owner.request('identity', encodeJson(sent)).catch(() => undefined);
  }

  async writeSoon(changes: () => readonly IdentityChange[]): Promise<void> {
    this.write(changes());
  }

  async writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void> {
    this.write(changes());
    onStored?.();
  }

  async retryWrites(): Promise<void> {
    // Nothing waits here.
  }

  async whenWritable(): Promise<void> {
    // The owner waits.
  }

  async whenDurable(): Promise<void> {
    // The owner answers when its changes are durable.
  }

  /** The owner answers the requests for the audit log. */
  auditPage(): readonly AuditEntry[] {
    return [];
  }

  maintain(writes: () => void): void {
    writes();
  }

  close(): void {
    // The owner has the file.
  }
}

/** The owner says once a second whether its hub hears of revocations. */
function hearingOf(owner: OwnerLink, welcome: Welcome): IdentityHearing {
  let currentMs = 0;
  const hear = (isCurrent: boolean): void => void (currentMs = isCurrent ? performance.now() : -Infinity);
  hear(welcome.isCurrent === true);
  owner.onWelcome((next) => hear(next.isCurrent === true));
  owner.on('identity-current', (body) => hear(decodeJson(body)));
  return {
    async reach() {
      await owner.request('identity-reach', NO_BYTES);
    },
    get isCurrent() {
      return performance.now() - currentMs < OWNER_SILENT_MAX_MS;
    },
  };
}

function identityOf({ identity }: Welcome): StoredIdentity {
  return receivedIdentity(identity as SentIdentity);
}
