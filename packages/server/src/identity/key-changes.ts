import { PolycastError } from '@polycast/protocol';
import type { CommandConditions, IdentityChange, SharedIdentity, StoredKey } from '../core/access/identity-store.ts';
import type { Actor, AuditRecord } from '../core/audit.ts';
import {
  FIRST_KEY,
  keyRecord,
  rotationRecord,
  tooManyKeys,
  type ApiKeys,
  type CreatedKey,
  type KeyOptions,
} from './api-keys.ts';
import type { AuditLog } from './audit.ts';

/**
 * The changes of keys that requests ask for. Each resolves when it is durable and in force. `by` is
 * called in the turn in which the change is decided, and checks the caller.
 */
export interface KeyChanges {
  /**
   * @throws PolycastError `overloaded` at the limit of keys, `log_full`, `log_unavailable`,
   * and those of `by`
   */
  create(options: KeyOptions, by: () => Actor): Promise<CreatedKey>;
  /** Creates the first key there ever was, with all scopes. `undefined`: it is not the first. */
  createFirst(): Promise<string | undefined>;
  /** `undefined`: there is no such key. */
  rotate(id: string, overlapMs: number, by: () => Actor): Promise<CreatedKey | undefined>;
  /** `undefined`: there is no such key. */
  change(id: string, changes: Partial<KeyOptions>, by: () => Actor): Promise<StoredKey | undefined>;
  /** In force at once, also where it rejects. `false`: there is no such key. */
  revoke(id: string, by: () => Actor): Promise<boolean>;
  /** Whether there is such a key. */
  isKnown(id: string): Promise<boolean>;
}

/** The changes of keys that one hub has. */
export function localKeyChanges(keys: ApiKeys): KeyChanges {
  return {
    async create(options, by) {
      await keys.whenWritable();
      const created = keys.create(options, by());
      await keys.whenDurable();
      return created;
    },
    async createFirst() {
      const text = keys.createFirst();
      await keys.whenDurable();
      return text;
    },
    async rotate(id, overlapMs, by) {
      await keys.whenWritable();
      const rotated = keys.rotate(id, overlapMs, by());
      try {
        await keys.whenDurable();
      } catch (error) {
        if (rotated !== undefined) keys.onRotationRefused(rotated.key);
        throw error;
      }
      return rotated;
    },
    async change(id, changes, by) {
      await keys.whenWritable();
      const changed = keys.change(id, changes, by());
      await keys.whenDurable();
      return changed;
    },
    async revoke(id, by) {
      const revoking = keys.revoke(id, by());
      await revoking;
      return revoking !== undefined;
    },
    isKnown: async (id) => keys.get(id) !== undefined,
  };
}

/** A change is decided anew when another hub was faster, at most this often. */
const ATTEMPTS_MAX = 10;

/** A change and its conditions, as this hub knows the keys now. */
interface PlannedChange<Result> {
  readonly result: Result;
  readonly changes: readonly IdentityChange[];
  readonly record: AuditRecord;
  readonly conditions?: CommandConditions;
}

export interface SharedKeyChangesParts {
  readonly keys: ApiKeys;
  readonly audit: AuditLog;
  readonly shared: SharedIdentity;
  readonly countMax: number;
}

/**
 * The changes of keys that several hubs have. Each is a command with the versions of the keys that
 * it depends on: the changed key, and the caller's. If another hub has changed one of them, the
 * caller is checked again and the change is decided anew. Example: the caller's key was revoked at
 * another hub, so the second attempt throws `unauthorized`.
 */
export function sharedKeyChanges({ keys, audit, shared, countMax }: SharedKeyChangesParts): KeyChanges {
  async function commit<Result>(plan: () => PlannedChange<Result> | undefined): Promise<Result | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const planned = plan() ?? (await planAfter(plan));
      if (planned === undefined) return undefined;
      const { result, changes, record, conditions = {} } = planned;
      const { key } = record.by;
      const involved = [...(key === undefined ? [] : [key]), ...(conditions.isFirst === true ? [] : [record.subject])];
      const versions = involved.map((id) => [id, shared.versionOf(id)] as const);
      const refusal = await audit.commit(changes, record, { ...conditions, versions });
      if (refusal === undefined) return result;
      if (refusal === 'too_many') throw tooManyKeys(countMax);
      if (refusal === 'not_first') return undefined;
    }
    throw new PolycastError('overloaded', 'Other hubs change this key at the same time.', { retryAfterMs: 1000 });
  }

  /** Another hub may have created the key a moment ago. */
  async function planAfter<Result>(
    plan: () => PlannedChange<Result> | undefined,
  ): Promise<PlannedChange<Result> | undefined> {
    await shared.reach();
    return plan();
  }

  return {
    async create(options, by) {
      const created = await commit(() => {
        const { key, text } = keys.newKey(options);
        const record = keyRecord(key, 'key.created', by());
        const conditions = { keysMax: countMax };
        return { result: { key, text }, changes: [{ kind: 'key', key }], record, conditions };
      });
      return created as CreatedKey;
    },
    async createFirst() {
      if (!keys.isFirst) return undefined;
      const { key, text } = keys.newKey(FIRST_KEY);
      const record = keyRecord(key, 'key.created', { kind: 'hub' });
      try {
        const conditions = { isFirst: true } as const;
        return await commit(() => ({ result: text, changes: [{ kind: 'key', key }], record, conditions }));
      } catch (error) {
        if (!(error instanceof PolycastError)) throw error;
        // It may be stored, and its text is shown nowhere else.
        return error.code === 'outcome_unknown' ? text : undefined;
      }
    },
    async rotate(id, overlapMs, by) {
      let planned: CreatedKey | undefined;
      try {
        return await commit(() => {
          const actor = by();
          planned = keys.rotatedKey(id, overlapMs);
          if (planned === undefined) return undefined;
          const { key } = planned;
          return { result: planned, changes: [{ kind: 'key', key }], record: rotationRecord(key, overlapMs, actor) };
        });
      } catch (error) {
        // The journal may have it all the same.
        if (planned !== undefined) keys.onRotationRefused(planned.key);
        throw error;
      }
    },
    change: (id, changes, by) =>
      commit(() => {
        const actor = by();
        const known = keys.get(id);
        if (known === undefined) return undefined;
        const key = { ...known, ...changes };
        return { result: key, changes: [{ kind: 'key', key }], record: keyRecord(key, 'key.changed', actor) };
      }),
    async revoke(id, by) {
      const actor = by();
      let revoking = keys.revoke(id, actor);
      if (revoking === undefined) {
        await shared.reach();
        revoking = keys.revoke(id, by());
      }
      await revoking;
      return revoking !== undefined;
    },
    async isKnown(id) {
      if (keys.get(id) === undefined) await shared.reach();
      return keys.get(id) !== undefined;
    },
  };
}
