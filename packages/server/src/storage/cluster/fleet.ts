import { PolycastError } from '@polycast/protocol';

/**
 * The fleet is the hubs of a cluster that run now. Each says so once a second. Example: three hubs
 * run, so each sees two others; one of them is killed, and 5 s later each sees one.
 */
export interface Fleet {
  /** The name of this hub. Names differ between all hubs that ever ran. */
  readonly self: string;
  /** The other hubs that were heard in the last FLEET_SILENCE_MS. */
  readonly hubs: readonly HubBeat[];
  /** Sets what this hub says of itself from now on. */
  report(beat: Omit<HubBeat, 'hub'>): void;
  /** Calls the listener with each beat of another hub. There is one listener. */
  onBeat(listener: (beat: HubBeat) => void): void;
  /**
   * Sends a text to the other hubs that run now, at once. A hub that is cut off misses it. Each hub
   * receives the texts of another one in their order.
   */
  broadcast(text: string): void;
  /** Calls the listener with each text of another hub. There is one listener. */
  onBroadcast(listener: (text: string) => void): void;
  /**
   * Asks the other hubs that run now. Resolves when all have answered, or after the time. An answer
   * may be larger than a message of the brokers. Each hub receives a question and later broadcasts
   * of this one in their order.
   */
  ask(question: string, timeoutMs: number): Promise<FleetAnswers>;
  /**
   * Calls the listener with each question of another hub. Without an answer this hub counts as
   * silent. There is one listener, and it does not reject.
   */
  onAsked(listener: QuestionListener): void;
  /**
   * Sends bytes to one other hub. It receives those of this hub in their order. Some may be lost:
   * if it does not run, is cut off, or changes its broker.
   */
  send(hub: string, data: Uint8Array): void;
  /** Bytes that `send` takes at a time. */
  readonly messageBytesMax: number;
  /** Calls the listener with the bytes of another hub. There is one listener. */
  onReceived(listener: (from: string, data: Uint8Array) => void): void;
  close(): Promise<void>;
}

export type QuestionListener = (question: string) => Promise<string | undefined>;

export interface FleetAnswers {
  readonly answers: readonly string[];
  /** Hubs that were heard of late, and did not answer in time. */
  readonly silentHubs: number;
  /** Their names. */
  readonly silent: readonly string[];
}

/** What a hub says of itself. */
export interface HubBeat {
  readonly hub: string;
  /** The name of its machine. */
  readonly host: string;
  readonly version: string;
  /** The newest block that its view has applied, and the hash of the view there. */
  readonly sequence: number;
  readonly hash: number;
  /** The newest kind of block that it applies: see `FEATURE_LEVEL`. Absent: 1. */
  readonly level?: number;
  /** The hub that has the lease on subscriptions, as this one has applied it. */
  readonly subscriptionOwner?: string;
}

/** Hubs of this level share keys and revocations. */
export const SHARED_IDENTITY_LEVEL = 2;
/** Hubs of this level share subscriptions. */
export const SHARED_SUBSCRIPTIONS_LEVEL = 3;
/** Hubs of this level share console logins and portal links. */
export const SHARED_LOGINS_LEVEL = 3;
/** Hubs of this level share erasures. */
export const SHARED_ERASURE_LEVEL = 4;
/** The level of this version. A hub writes no block that a hub of a lower level would stop at. */
export const FEATURE_LEVEL = 4;

/**
 * Why a command cannot be written: a hub of a lower level runs, and would stop at it.
 * `undefined`: none does.
 */
export function refusalOfOlderHub(
  { hubs }: Pick<Fleet, 'hubs'>,
  neededLevel: number,
  shared: string,
): PolycastError | undefined {
  const older = hubs.find(({ level = 1 }) => level < neededLevel);
  if (older === undefined) return undefined;
  const detail = `The hub on ${older.host} has version ${older.version}, which does not share ${shared} yet. Upgrade it.`;
  return new PolycastError('not_in_cluster', detail);
}

export const FLEET_BEAT_MS = 1_000;
/** A hub that is silent for this long does not run, or is cut off. */
export const FLEET_SILENCE_MS = 5_000;
/** Other hubs that are remembered at a time. Beats of further ones are dropped. */
export const FLEET_HUBS_MAX = 1_000;

/** The hubs that were heard of late. */
export class HeardHubs {
  readonly #heard = new Map<string, { readonly beat: HubBeat; readonly atMs: number }>();

  /** Returns whether the hub is new here. It has not heard this hub either then. */
  add(beat: HubBeat, nowMs: number): boolean {
    const isNew = !this.#heard.has(beat.hub);
    if (isNew && this.#heard.size >= FLEET_HUBS_MAX) return false;
    this.#heard.set(beat.hub, { beat, atMs: nowMs });
    return isNew;
  }

  list(nowMs: number): readonly HubBeat[] {
    for (const [hub, { atMs }] of this.#heard) if (nowMs - atMs > FLEET_SILENCE_MS) this.#heard.delete(hub);
    return [...this.#heard.values()].map(({ beat }) => beat);
  }
}

/** Collects the answers to one question. */
export class CollectedAnswers {
  readonly #expected: Set<string>;
  readonly #answers: string[] = [];
  /** The parts of large answers that are not complete yet, by hub. They come in their order. */
  readonly #parts = new Map<string, string>();
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(hubs: readonly HubBeat[]) {
    this.#expected = new Set(hubs.map(({ hub }) => hub));
    if (this.#expected.size === 0) this.#done.resolve();
  }

  /** @param isLast whether this is the last part of the answer */
  add(hub: string, part: string, isLast = true): void {
    const answer = (this.#parts.get(hub) ?? '') + part;
    if (!isLast) return void this.#parts.set(hub, answer);
    this.#parts.delete(hub);
    this.#answers.push(answer);
    this.#expected.delete(hub);
    if (this.#expected.size === 0) this.#done.resolve();
  }

  async within(timeoutMs: number): Promise<FleetAnswers> {
    const timer = setTimeout(this.#done.resolve, timeoutMs);
    await this.#done.promise;
    clearTimeout(timer);
    return { answers: this.#answers, silentHubs: this.#expected.size, silent: [...this.#expected] };
  }
}
