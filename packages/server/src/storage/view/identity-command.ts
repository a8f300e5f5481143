import type { CommandConditions, IdentityChange } from '../../core/access/identity-store.ts';
import { changeToJson, type ChangeJson } from '../shared/identity-json.ts';

/**
 * The data of an `identity` block: changes of keys, revocations and audit entries, which take
 * effect together if the conditions hold.
 * Example: `{"changes":[{"kind":"key_removed","id":"Ab3dEf6hIj9l"}]}`.
 */
export interface IdentityCommand {
  readonly conditions?: CommandConditions;
  readonly changes: readonly CommandChange[];
}

/** A change as JSON. */
type CommandChange = Extract<ChangeJson, { readonly kind: CommandKind }>;

/** The changes that hubs share. */
type CommandKind = (typeof COMMAND_KINDS)[number];

const COMMAND_KINDS = [
  'key',
  'key_used',
  'key_removed',
  'revocation',
  'revocation_removed',
  'revocations_pruned',
  'session_revoked',
  'login_signer',
  'portal_link',
  'portal_links_pruned',
  'erasure',
  'erasure_finished',
  'audit',
] as const;
const KINDS: ReadonlySet<string> = new Set(COMMAND_KINDS);
const CONDITIONS: ReadonlySet<string> = new Set<keyof CommandConditions>(['isFirst', 'keysMax', 'versions', 'erasure']);

/** Changes that hubs of the level `SHARED_LOGINS_LEVEL` know. */
const LOGIN_KINDS: ReadonlySet<string> = new Set<CommandKind>(['login_signer', 'portal_link', 'portal_links_pruned']);

/** Changes that hubs of the level `SHARED_ERASURE_LEVEL` know. */
const ERASURE_KINDS: ReadonlySet<string> = new Set<CommandKind>(['erasure', 'erasure_finished']);

/** What a command changes that the first hubs with shared keys do not know. */
export function laterChanges(data: Uint8Array): 'logins' | 'erasures' | undefined {
  const { changes } = decodeIdentityCommand(data);
  if (changes.some(({ kind }) => ERASURE_KINDS.has(kind))) return 'erasures';
  return changes.some(({ kind }) => LOGIN_KINDS.has(kind)) ? 'logins' : undefined;
}

export function encodeIdentityCommand(
  changes: readonly IdentityChange[],
  conditions?: CommandConditions,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    Buffer.from(JSON.stringify({ ...(conditions && { conditions }), changes: changes.map(changeToJson) })),
  );
}

/** Hubs of this cluster alone write commands, so their form is not checked. */
export function decodeIdentityCommand(data: Uint8Array): IdentityCommand {
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as IdentityCommand;
}

/** Whether this version carries out all of a command. */
export function isKnownCommand(data: Uint8Array): boolean {
  const { conditions = {}, changes } = decodeIdentityCommand(data);
  return Object.keys(conditions).every((name) => CONDITIONS.has(name)) && changes.every(({ kind }) => KINDS.has(kind));
}
