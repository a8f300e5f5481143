import type { Principal } from './access/principal.ts';

/**
 * The author of an administrative action and its address: a request's principal, or an operator
 * with access to the data folder (`operator`), or the `hub`.
 */
export interface Actor {
  readonly kind: Principal['kind'] | 'operator' | 'hub';
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  /** The customer whose portal link was used. */
  readonly owner?: string | undefined;
  /** The client's address. `undefined` where there was no request. */
  readonly address?: string | undefined;
}

/**
 * An administrative action for the audit log: a change of the hub itself, or of somebody's access
 * to it.
 */
export interface AuditRecord {
  /**
   * The object of the action, a dot, and the action: `key.created`, `revocation.made`,
   * `user.disconnected`.
   */
  readonly action: string;
  /**
   * The key's id, the user or another name of the object. The audit log stores at most 256
   * characters.
   */
  readonly subject: string;
  readonly by: Actor;
  /**
   * Further details without secrets. JSON, of which the audit log stores at most 2,048 characters.
   */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The log of administrative actions. */
export interface Audit {
  /**
   * Writes the entry soon; the caller does not wait. An entry that cannot be written is logged and
   * lost.
   */
  record(entry: AuditRecord): void;
}
