import { isDeepStrictEqual } from 'node:util';
import { checkConsistency } from './consistency.ts';
import { ConfigError } from './config-error.ts';
import type { Config } from './settings/config-schema.ts';
import { FIELDS, type FieldReference } from './reference.ts';
import { setPath, type Tree } from './tree.ts';

/**
 * A reload plan says what a running hub does with a changed configuration. Example: `rules` and
 * `listen` have changed. The plan applies the new rules, keeps the old address, and names `listen`
 * as a setting that needs a restart.
 */
export interface ReloadPlan {
  /** The new values of live settings, with the present values of all others. */
  readonly config: Config;
  /** The paths of changed settings that the reload applies. */
  readonly applied: readonly string[];
  /** The paths of changed settings that need a restart. */
  readonly restart: readonly string[];
}

/**
 * Compares the configuration of a running hub with a new one, which is valid as a whole.
 * @throws ConfigError when the new live settings do not fit the settings that need a restart
 */
export function planReload(running: Config, wanted: Config): ReloadPlan {
  const config = structuredClone(wanted) as Tree & Config;
  const applied: string[] = [];
  const restart: string[] = [];
  for (const field of FIELDS) {
    const present = valueAt(running, field.path);
    const next = valueAt(wanted, field.path);
    if (isDeepStrictEqual(present, next)) continue;
    if (isLive(field, present, next)) applied.push(field.path);
    else {
      restart.push(field.path);
      setPath(config, field.path, present);
    }
  }
  // Presence counts sessions from their beginning, so its channels are those of the start.
  if (!isDeepStrictEqual(presenceChannels(running), presenceChannels(wanted))) restart.push(PRESENCE_CHANNELS);
  const problems = checkConsistency(config).map(({ path, message }) => ({
    path,
    message: `${message}; another changed setting needs a restart (${restart.join(', ')})`,
  }));
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, applied, restart };
}

/** The name under which a plan shows that other channels have presence. */
export const PRESENCE_CHANNELS = 'rules (channels with presence)';

function isLive({ live = false }: FieldReference, present: unknown, next: unknown): boolean {
  return live === 'between_values' ? present !== null && next !== null : live;
}

function presenceChannels({ rules, defaults }: Config): readonly unknown[] {
  const patterns = rules.filter(({ presence }) => presence !== undefined).map(({ pattern }) => pattern);
  return [defaults.presence !== undefined, new Set(patterns)];
}

function valueAt(config: Config, path: string): unknown {
  let value: unknown = config;
  for (const key of path.split('.')) value = (value as Readonly<Record<string, unknown>>)[key];
  return value;
}
