import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Config } from '../../../config/parse.ts';
import type { AuditEntry, StoredKey } from '../../../core/access/identity-store.ts';
import type { Identity } from '../../../identity/identity.ts';
import type { RevocationKind } from '../../../identity/revocation-list.ts';
import type { Grants } from '../../../core/access/principal.ts';
import type { Input } from '../../command.ts';
import { CliError } from '../../exit-codes.ts';
import { hubAddress, type HubAddress } from '../../hub-address.ts';
import { requestHub } from '../../hub-request.ts';
import { hubConfig } from '../../hub-config.ts';

export type { RevocationKind } from '../../../identity/revocation-list.ts';

/** A key as the output shows it. */
export interface KeyView {
  readonly id: string;
  readonly name: string;
  readonly scopes: Grants;
  readonly created: string;
  readonly expires: string | null;
  readonly lastUsed: string | null;
  readonly overlapUntil: string | null;
  /** Its secret text, only directly after its creation or rotation. */
  readonly key?: string;
}

export interface AuditEntryView {
  readonly id: number;
  readonly time: string;
  readonly action: string;
  readonly subject: string;
  readonly by: AuditEntry['by'];
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface NewKey {
  readonly name: string;
  readonly scopes: Grants;
  /** RFC 3339. */
  readonly expires: string | null;
}

/**
 * The administration of keys: remote, at a running hub, or local, in the data folder of a stopped
 * one.
 */
export interface KeyAdmin {
  list(): Promise<readonly KeyView[]>;
  create(newKey: NewKey): Promise<KeyView>;
  rotate(id: string, overlapSeconds: number | undefined): Promise<KeyView>;
  revoke(id: string): Promise<void>;
  /** Revokes all credentials of this name that were issued until now. */
  revokeAll(kind: RevocationKind, name: string): Promise<void>;
  /** The newest first. */
  audit(limit: number): Promise<readonly AuditEntryView[]>;
}

/** The default time for which the old secret stays valid, in seconds; the hub has the same. */
const OVERLAP_SECONDS = 86_400;

/**
 * Calls `work` with the remote administration if a hub is named, otherwise with that of the data
 * folder in the configuration.
 */
export async function withKeyAdmin<Result>(input: Input, work: (admin: KeyAdmin) => Promise<Result>): Promise<Result> {
  if (isHubNamed(input)) return work(new RemoteKeyAdmin(hubAddress(input)));
  const { config } = await hubConfig(input);
  return withLocalKeyAdmin(config, work);
}

/**
 * Whether a hub is named. The command line takes precedence over the environment. A key alone names
 * the hub at the default address, as for other commands.
 * @throws CliError `usage` when the command line names both a hub and a folder
 */
export function isHubNamed(input: Input): boolean {
  const isUrlGiven = input.text('url') !== undefined;
  const given = ['config', 'data', 'set'].find((option) => input.texts(option).length > 0);
  if (isUrlGiven && given !== undefined)
    throw new CliError('usage', `--url names a running hub and --${given} a stopped one: give only one of them`);
  if (given !== undefined) return isUrlGiven;
  const { POLYCAST_URL, POLYCAST_KEY } = process.env;
  return [POLYCAST_URL, POLYCAST_KEY, input.text('url'), input.text('key')].some((each) => each !== undefined);
}

class RemoteKeyAdmin implements KeyAdmin {
  readonly #hub: HubAddress;

  constructor(hub: HubAddress) {
    this.#hub = hub;
  }

  async list(): Promise<readonly KeyView[]> {
    const { keys } = (await requestHub(this.#hub, 'GET', '/v1/keys')) as { keys: KeyView[] };
    return keys;
  }

  async create(newKey: NewKey): Promise<KeyView> {
    return (await requestHub(this.#hub, 'POST', '/v1/keys', newKey)) as KeyView;
  }

  async rotate(id: string, overlapSeconds = OVERLAP_SECONDS): Promise<KeyView> {
    return (await requestHub(this.#hub, 'POST', `/v1/keys/${encodeURIComponent(id)}/rotate`, {
      overlapSeconds,
    })) as KeyView;
  }

  async revoke(id: string): Promise<void> {
    await requestHub(this.#hub, 'DELETE', `/v1/keys/${encodeURIComponent(id)}`);
  }

  async revokeAll(kind: RevocationKind, name: string): Promise<void> {
    await requestHub(this.#hub, 'POST', '/v1/revocations', { [kind]: name });
  }

  async audit(limit: number): Promise<readonly AuditEntryView[]> {
    const { entries } = (await requestHub(this.#hub, 'GET', `/v1/audit?limit=${limit}`)) as {
      entries: AuditEntryView[];
    };
    return entries;
  }
}

async function withLocalKeyAdmin<Result>(
  { data, identity: settings }: Config,
  work: (admin: KeyAdmin) => Promise<Result>,
): Promise<Result> {
  const { dataFolderOf } = await import('../../../storage/data-setting.ts');
  const { withIdentityStore } = await import('../../../storage/stopped-hub.ts');
  const { DataFolderError } = await import('../../../core/data-folder-error.ts');
  const { openIdentity } = await import('../../../identity/identity.ts');
  const folder = dataFolderOf(data);
  if (folder === undefined)
    throw new CliError('usage', 'only a running hub has keys in memory', 'Use --url URL --key KEY');
  if (!existsSync(folder)) throw new CliError('failed', `there is no data folder at ${folder}`, DATA_FOLDER_HINT);
  const { readFolderRole } = await import('../../../storage/cluster-tools.ts');
  if (readFolderRole(folder).role === 'view')
    throw new CliError(
      'failed',
      `the data folder ${folder} belongs to a hub of a cluster, whose keys are in the journal of the brokers`,
      'Use --url URL --key KEY of any of its hubs',
    );
  const clock = { nowMs: Date.now, monotonicMs: () => performance.now() };
  const logger = { info: () => undefined, error: () => undefined };
  try {
    return await withIdentityStore(folder, settings.auditEntriesMax, (store) =>
      work(new LocalKeyAdmin(openIdentity(store, settings, clock, logger))),
    );
  } catch (error) {
    if (error instanceof DataFolderError && error.reason === 'in_use')
      throw new CliError(
        'failed',
        `the hub of the data folder ${folder} runs`,
        'Use --url URL --key KEY (or POLYCAST_URL and POLYCAST_KEY)',
      );
    throw error;
  }
}

const DATA_FOLDER_HINT = 'Use --data FOLDER, or name a running hub with --url URL --key KEY';

class LocalKeyAdmin implements KeyAdmin {
  readonly #identity: Identity;
  readonly #by = { kind: 'operator', user: userName() } as const;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  async list(): Promise<readonly KeyView[]> {
    return this.#identity.keys.list().map(keyView);
  }

  async create({ name, scopes, expires }: NewKey): Promise<KeyView> {
    const expiresMs = expires === null ? undefined : Date.parse(expires);
    const { key, text } = this.#identity.keys.create({ name, scopes, expiresMs }, this.#by);
    return { ...keyView(key), key: text };
  }

  async rotate(id: string, overlapSeconds = OVERLAP_SECONDS): Promise<KeyView> {
    const made = this.#identity.keys.rotate(id, overlapSeconds * 1000, this.#by);
    if (made === undefined) throw noSuchKey(id);
    return { ...keyView(made.key), key: made.text };
  }

  async revoke(id: string): Promise<void> {
    const revoking = this.#identity.keys.revoke(id, this.#by);
    if (revoking === undefined) throw noSuchKey(id);
    await revoking;
  }

  async revokeAll(kind: RevocationKind, name: string): Promise<void> {
    if (kind === 'key' && this.#identity.keys.get(name) === undefined) throw noSuchKey(name);
    await this.#identity.revocations.revoke({ kind, name, issuedBeforeMs: Date.now() + 1 }, this.#by);
  }

  async audit(limit: number): Promise<readonly AuditEntryView[]> {
    const entries = this.#identity.audit.page(Number.MAX_SAFE_INTEGER, limit);
    return entries.map(({ timeMs, ...entry }) => ({ ...entry, time: new Date(timeMs).toISOString() }));
  }
}

function keyView({ id, name, scopes, createdMs, expiresMs, lastUsedMs, secrets }: StoredKey): KeyView {
  const text = (timeMs: number | undefined): string | null =>
    timeMs === undefined ? null : new Date(timeMs).toISOString();
  const overlapUntil = text(secrets[1]?.expiresMs);
  return {
    id,
    name,
    scopes,
    created: new Date(createdMs).toISOString(),
    expires: text(expiresMs),
    lastUsed: text(lastUsedMs),
    overlapUntil,
  };
}

function noSuchKey(id: string): CliError {
  return new CliError('failed', `there is no key ${id}`, 'See polycast keys list');
}

/** The name of the operator's user; `undefined` for a user with a number and no name. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
