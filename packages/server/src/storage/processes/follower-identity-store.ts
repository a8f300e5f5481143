import type {
  AuditEntry,
  IdentityChange,
  IdentityFollower,
  IdentityStore,
  StoredIdentity,
} from '../../core/access/identity-store.ts';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import type { Welcome } from '../../processes/process-place.ts';
import { receivedChange, receivedIdentity, type SentChange, type SentIdentity } from './identity-messages.ts';

/**
 * The identity store of a follower. It has what the owner has sent, and writes nothing by itself:
 * the routes that change keys and revocations are answered by the owner. Only the times of last
 * use come from here.
 */
export class FollowerIdentityStore implements IdentityStore {
  readonly #owner: OwnerLink;
  readonly #stored: StoredIdentity;

  constructor(owner: OwnerLink, welcome: Welcome) {
    this.#owner = owner;
    this.#stored = identityOf(welcome);
  }

  load(): StoredIdentity {
    return this.#stored;
  }

  follow(listener: IdentityFollower): void {
    this.#owner.on('identity', (body) => {
      listener.changed(decodeJson<readonly SentChange[]>(body).map(receivedChange));
      return Buffer.from('null');
    });
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

function identityOf({ identity }: Welcome): StoredIdentity {
  return receivedIdentity(identity as SentIdentity);
}
