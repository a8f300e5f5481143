import type { Erasure } from '../erasure.ts';
import type { Actor } from '../audit.ts';
import type { StoredPortalLink } from './portal-link.ts';
import type { Grants } from './principal.ts';

/** An API key as it is stored: of its text the store has only the SHA-256 hash. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: Grants;
  readonly createdMs: number;
  /** Milliseconds since 1970. `undefined`: the key never expires. */
  readonly expiresMs: number | undefined;
  readonly lastUsedMs: number | undefined;
  /** One or two secrets, the newest first. The second one is valid until its overlap ends. */
  readonly secrets: readonly StoredSecret[];
}

export interface StoredSecret {
  readonly hash: Uint8Array;
  readonly createdMs: number;
  readonly expiresMs: number | undefined;
}

/** Credentials of this name that were issued before a moment are invalid. */
export interface StoredRevocation {
  readonly kind: 'user' | 'token' | 'key';
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly issuedBeforeMs: number;
  /**
   * The revocation is needed until this moment: no credentials that it revokes live longer.
   * Milliseconds since 1970.
   */
  readonly keptUntilMs: number;
}

/**
 * One entry of the audit log. Example:
 * `{"id":7,"action":"key.created","subject":"<key id>","by":{"kind":"operator","user":"root"}}`.
 */
export interface AuditEntry extends NewAuditEntry {
  /** Rises with every entry. The store never gives an id twice. */
  readonly id: number;
}

export interface NewAuditEntry {
  readonly timeMs: number;
  readonly action: string;
  readonly subject: string;
  /** The actor. `name` is the name that its key had at the time. */
  readonly by: Actor & { readonly name?: string };
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The stored state at opening. */
export interface StoredIdentity {
  /** The oldest first. */
  readonly keys: readonly StoredKey[];
  /** Whether there has ever been a key. */
  readonly hasEverHadKeys: boolean;
  /** Sorted by the time until which they are needed, the earliest first. */
  readonly revocations: readonly StoredRevocation[];
  /** Those that have not expired may be among others. */
  readonly portalLinks: readonly StoredPortalLink[];
  /** The hubs of a cluster whose console logins are valid, in the order of their announcements. */
  readonly loginSigners?: readonly LoginSigner[];
  /** Requested and not finished, the oldest first. */
  readonly erasures: readonly Erasure[];
  /**
   * Only in a cluster: the users who were erased last.
   * A hub that did not run then erases them when it starts.
   */
  readonly erasedUsers?: readonly ErasedUser[];
  /** Acknowledged changes are missing: the data is older than the last acknowledgement. */
  readonly hasLostCommits: boolean;
}

/** A user whose data was erased. Later data of the user stays. */
export interface ErasedUser {
  readonly user: string;
  readonly requestedMs: number;
}

/**
 * Beyond it, the signer that was announced least recently is forgotten. A hub has one for its data
 * folder.
 */
export const LOGIN_SIGNERS_MAX = 1000;

/** The public key with which the hubs of a cluster verify the console logins of one of them. */
export interface LoginSigner {
  readonly id: string;
  /** An Ed25519 key, 32 bytes in base64url. */
  readonly publicKey: string;
}

export type IdentityChange =
  /** A new key, or a new version of it with all its secrets. The time of last use stays. */
  | { readonly kind: 'key'; readonly key: StoredKey }
  | { readonly kind: 'key_used'; readonly id: string; readonly lastUsedMs: number }
  | { readonly kind: 'key_removed'; readonly id: string }
  | { readonly kind: 'revocation'; readonly revocation: StoredRevocation }
  | { readonly kind: 'revocation_removed'; readonly of: StoredRevocation['kind']; readonly name: string }
  /** Removes all revocations that were needed until a moment before this one. */
  | { readonly kind: 'revocations_pruned'; readonly beforeMs: number }
  /** Ends a session. No store keeps it: other hubs learn of it. */
  | { readonly kind: 'session_revoked'; readonly session: string; readonly issuedBeforeMs: number }
  /** A hub of a cluster signs console logins. A hub without a cluster has a secret for that. */
  | { readonly kind: 'login_signer'; readonly signer: LoginSigner }
  | { readonly kind: 'portal_link'; readonly link: StoredPortalLink }
  /** Removes all links that expired before a moment. */
  | { readonly kind: 'portal_links_pruned'; readonly beforeMs: number }
  | { readonly kind: 'erasure'; readonly erasure: Erasure }
  | { readonly kind: 'erasure_finished'; readonly id: string }
  | { readonly kind: 'audit'; readonly entry: NewAuditEntry };

/**
 * The stored data of identity: keys, revocations, portal links, pending erasures and the audit log.
 * Requests are answered from memory, so the store is read once and written seldom.
 *
 * A change is in force when it has taken effect in memory, before it is stored. Example: a
 * revocation rejects a user's requests even while the disk is full.
 *
 * - Atomic: the changes of one call, in the order of the list. The oldest audit entries above the
 *   bound are deleted in the same transaction.
 * - Durable: `write` when `whenDurable` resolves, the others when their promise does.
 * - Eventual: nothing within one hub. Where several hubs share the store, a hub may see the keys
 *   and revocations of another one late. It has to ask for the newest state before it refuses an
 *   unknown key, and revocations are broadcast as well.
 * - Owner: any hub may write any key or revocation, and one order decides (`shared`). One hub
 *   prunes. The first key is created on condition that there was none.
 *
 * Implementations: see `storage/homes.ts`.
 * One contract suite in `storage/contract` tests the homes.
 */
export interface IdentityStore extends AwaitedWrites, WritesInForce, AuditStore {
  /** Read once, before the first write. @throws DataFolderError for a row of another program */
  load(): StoredIdentity;
  /**
   * To be called about once a second: tries unstored changes again, calls `writes`, and works on
   * the file. Does nothing while a thread works on the file. Throws what `writes` throws.
   */
  maintain(writes: () => void): void;
  /**
   * Calls the listener with the changes of the other processes that use the data. Absent where no
   * other process does. There is one listener.
   */
  follow?(listener: IdentityFollower): void;
  /** What a store that several hubs share adds. Absent in the store of one hub. */
  readonly shared?: SharedIdentity;
  /** How this process hears of what other hubs change. Absent where there are no other hubs. */
  readonly hearing?: IdentityHearing;
  /** Writes what is pending, then closes. Changes that the disk does not accept are logged. */
  close(): void;
}

/**
 * The identity that all hubs of a cluster share. A change of a key is a command. It is decided in
 * the one order of all hubs, so its conditions hold when it takes effect. Example: hub A revokes a
 * key while that key creates another one at hub B. If the revocation comes first, B
 * creates nothing.
 */
export interface SharedIdentity extends IdentityHearing {
  /**
   * Makes all changes, or none if a condition does not hold. Resolves when they are durable and in
   * force at this hub. With a refusal nothing was changed.
   * @throws PolycastError `log_unavailable`, `log_full`, `outcome_unknown`, `not_in_cluster` while
   * a hub of an older version runs
   */
  commit(changes: readonly IdentityChange[], conditions: CommandConditions): Promise<CommandRefusal | undefined>;
  /** The version of a key: another one after each change of it. 0: there is no such key. */
  versionOf(key: string): number;
  /** Returns at most `limit` entries of all hubs with ids below `before`, the newest first. */
  auditPage(before: number, limit: number): Promise<readonly AuditEntry[]>;
}

/** How a process hears of the keys and revocations of other hubs. */
export interface IdentityHearing {
  /**
   * Waits until this process has all that was confirmed at any hub before.
   * @throws PolycastError `log_unavailable`
   */
  reach(): Promise<void>;
  /**
   * Whether this process hears of new revocations.
   * While it does not, it must not serve a caller that it has identified.
   */
  readonly isCurrent: boolean;
}

/** What must hold when a command takes effect. */
export interface CommandConditions {
  /** There has never been a key. */
  readonly isFirst?: true;
  /** There are fewer keys than this. */
  readonly keysMax?: number;
  /** These keys have these versions: nothing has changed them. */
  readonly versions?: readonly (readonly [key: string, version: number])[];
  /** This erasure is not finished. */
  readonly erasure?: string;
}

/** The condition that did not hold. */
export type CommandRefusal = 'not_first' | 'too_many' | 'changed';

/**
 * Receives keys, revocations, portal links, signers of logins and erasures that another
 * process has changed.
 */
export interface IdentityFollower {
  changed(changes: readonly IdentityChange[]): void;
  /** The whole state, from which the next changes continue. */
  replaced(identity: ReplacedIdentity): void;
}

/** A store of one hub follows no portal links and no erasures. */
export type ReplacedIdentity = Pick<StoredIdentity, 'keys' | 'revocations'> &
  Partial<Pick<StoredIdentity, 'portalLinks' | 'loginSigners' | 'erasures'>>;

/**
 * Writes that a request waits for. Example: a new key is shown after `whenWritable`, the checks of
 * the request, `write` and `whenDurable`.
 */
export interface AwaitedWrites {
  /**
   * Resolves when `write` finds no lock. Await it before a write that a request waits for. Then
   * repeat every check that was made before.
   */
  whenWritable(): Promise<void>;
  /**
   * Writes all changes or none. They are durable once `whenDurable` has resolved, and no request is
   * answered before that.
   * @throws PolycastError `log_full`, `log_unavailable` when the disk does not accept them
   */
  write(changes: readonly IdentityChange[]): void;
  /**
   * Resolves once all earlier writes are durable.
   * @throws PolycastError `log_unavailable` when the disk does not accept them
   */
  whenDurable(): Promise<void>;
}

/** Writes of changes that are in force and must not be undone. Example: a revoked key. */
export interface WritesInForce {
  /**
   * Like `AuditStore.writeSoon`. If the disk does not accept the changes, `maintain`, `retryWrites`
   * and `close` try again. `changes` is called for each try: a late write of an older state must
   * not replace a newer one.
   * @param onStored called once the changes are durable, however late, and never before this
   * method has returned
   * @throws PolycastError `log_full`, `log_unavailable`: rejects when the disk does not accept them
   * at first
   */
  writeInForce(changes: () => readonly IdentityChange[], onStored?: () => void): Promise<void>;
  /**
   * Tries again to write the changes that are in force and not stored. Resolves once all earlier
   * changes are durable.
   * @throws PolycastError `log_full`, `log_unavailable`
   */
  retryWrites(): Promise<void>;
}

/** The stored audit log. */
export interface AuditStore {
  /**
   * Writes together with the other changes of about that time. A crowd that logs out at once waits
   * for one write of the disk. `changes` is called when they are written.
   */
  writeSoon(changes: () => readonly IdentityChange[]): Promise<void>;
  /** Returns at most `limit` entries with ids below `before`, the newest first. */
  auditPage(before: number, limit: number): readonly AuditEntry[];
}
