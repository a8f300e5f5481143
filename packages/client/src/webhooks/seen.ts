/**
 * A store of handled events that all receivers of a site share. If a receiver crashes while it
 * handles an event, the event is handled again after its lease: it is never lost.
 *
 * For example, in Redis `begin` is `SET id begun NX EX lease`, and `GET id` if that did nothing.
 * `finish` is `SET id done EX keep`; `abandon` is `DEL id`.
 */
export interface SeenStore {
  /**
   * Takes a free id for `leaseSeconds`; returns its state before the call. It must be atomic: of
   * two concurrent calls only one gets `new`.
   */
  begin(id: string, leaseSeconds: number): Seen | Promise<Seen>;
  /** The event is handled; the id is remembered for `keepSeconds`. */
  finish(id: string, keepSeconds: number): unknown;
  /** Handling failed; another attempt may begin. */
  abandon(id: string): unknown;
}

/** `busy`: another attempt is in progress. */
export type Seen = 'new' | 'busy' | 'done';

export interface MemorySeenOptions {
  /** The most ids; at the bound the oldest are removed. @default 100 000 */
  readonly idsMax?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const IDS_MAX = 100_000;

/**
 * Makes a store in the memory of this process. It suits a receiver that runs as one process and
 * that may handle an event twice after a restart.
 */
export function memorySeen({ idsMax = IDS_MAX, now = Date.now }: MemorySeenOptions = {}): SeenStore {
  const entries = new Map<string, { readonly seen: Seen; readonly endsMs: number }>();
  const set = (id: string, seen: Seen, seconds: number): void => {
    // The entry moves to the end, with the newest.
    entries.delete(id);
    entries.set(id, { seen, endsMs: now() + seconds * 1000 });
    if (entries.size > idsMax) entries.delete(entries.keys().next().value as string);
  };
  return {
    begin(id, leaseSeconds) {
      const entry = entries.get(id);
      if (entry !== undefined && entry.endsMs > now()) return entry.seen;
      set(id, 'busy', leaseSeconds);
      return 'new';
    },
    finish: (id, keepSeconds) => set(id, 'done', keepSeconds),
    abandon: (id) => entries.delete(id),
  };
}
