/**
 * Which events were handled already, kept wherever the receivers of a site can all see it. An event whose receiver crashes in the middle
 * is handled again once its lease is over: it is never lost. In Redis `begin` is `SET id begun NX EX lease`, and when that did nothing
 * `GET id`; `finish` is `SET id done EX keep`; `abandon` is `DEL id`.
 */
export interface SeenStore {
  /** Takes an id, if nobody has it, for so many seconds; says whose it was. In one step: of two at the same time one gets `new`. */
  begin(id: string, leaseSeconds: number): Seen | Promise<Seen>;
  /** It is done; remembered for so many seconds. */
  finish(id: string, keepSeconds: number): unknown;
  /** It has failed, and may be begun again. */
  abandon(id: string): unknown;
}

/** `busy`: another has begun it, and is not done. */
export type Seen = 'new' | 'busy' | 'done';

export interface MemorySeenOptions {
  /** At the bound the oldest are forgotten. @default 100 000 */
  readonly idsMax?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const IDS_MAX = 100_000;

/** Remembers in this process: for a receiver that runs once, and that may handle an event twice when it was restarted. */
export function memorySeen({ idsMax = IDS_MAX, now = Date.now }: MemorySeenOptions = {}): SeenStore {
  const entries = new Map<string, { readonly seen: Seen; readonly endsMs: number }>();
  const set = (id: string, seen: Seen, seconds: number): void => {
    // Again at the end, among the youngest.
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
