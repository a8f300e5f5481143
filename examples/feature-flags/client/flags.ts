/**
 * A flag decides for each user whether a feature is on. The client decides, so that it sends no
 * user to a server. With 25 percent, the flag is on for the users in the first 25 of 100 buckets.
 */
export interface Flag {
  readonly name: string;
  readonly enabled: boolean;
  readonly percent: number;
  /** Counts the changes of this flag. */
  readonly version: number;
  /** When it was changed, in milliseconds since 1970. */
  readonly changedMs: number;
}

export function isOn(flag: Flag | undefined, user: string): boolean {
  return flag !== undefined && flag.enabled && bucketOf(`${flag.name}:${user}`) < flag.percent;
}

/** 0 to 99, the same in every program: FNV-1a. */
function bucketOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % 100;
}

/** Where a client has its last known flags: `localStorage`, or a file. */
export interface FlagStorage {
  load(): string | null;
  save(text: string): void;
}

/** The flags that a client knows. At its start these are the ones that it knew last. */
export class Flags {
  readonly #flags: Map<string, Flag>;
  readonly #storage: FlagStorage;
  onChange: (flag: Flag) => void = () => {};

  constructor(storage: FlagStorage) {
    this.#storage = storage;
    this.#flags = new Map(JSON.parse(storage.load() ?? '[]') as [string, Flag][]);
  }

  get all(): Flag[] {
    return [...this.#flags.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  isOn(name: string, user: string): boolean {
    return isOn(this.#flags.get(name), user);
  }

  set(flag: Flag): void {
    if (flag.version <= (this.#flags.get(flag.name)?.version ?? 0)) return;
    this.#flags.set(flag.name, flag);
    this.#storage.save(JSON.stringify([...this.#flags]));
    this.onChange(flag);
  }
}
