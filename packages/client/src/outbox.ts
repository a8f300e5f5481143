import type { Connection } from './connection/interface.ts';
import type { CursorStorage } from './connection/options.ts';
import type { PolycastError } from './errors.ts';
import { backoffMs } from './machine/backoff.ts';
import { randomId } from './random-id.ts';
import { sleep } from './sleep.ts';

/**
 * An event that waits in an outbox. For example, a user writes a chat message in a tunnel. The
 * browser stores it, and publishes it when the network is back, even if the page was closed
 * meanwhile.
 */
export interface Unsent<Data = unknown> {
  /** The idempotency key of every attempt. */
  readonly key: string;
  readonly channel: string;
  readonly data: Data;
  readonly type?: string | undefined;
}

export interface OutboxOptions<Data = unknown> {
  /** @default `localStorage` */
  readonly storage?: CursorStorage | undefined;
  /** Called with the waiting events, the oldest first, each time that they change. */
  readonly onChange?: (unsent: readonly Unsent<Data>[]) => void;
  /**
   * Called with an event that the hub refused permanently. It has left the outbox. Without this
   * function, the console of the browser shows the error.
   */
  readonly onRefused?: (unsent: Unsent<Data>, error: PolycastError) => void;
}

export interface Outbox<Data = unknown> {
  /** The events that wait, the oldest first. */
  readonly unsent: readonly Unsent<Data>[];
  /**
   * Stores an event, and publishes it as soon as possible, once and in order. Throws RangeError if
   * 1,000 events wait, or if the JSON of the data has more than 250,000 characters. Throws
   * TypeError for data that JSON cannot have.
   */
  publish(channel: string, data: Data, options?: { readonly type?: string }): void;
}

/** The most events that wait; one more is an error of the caller. */
const UNSENT_MAX = 1000;
/**
 * The longest JSON of an event's data. In UTF-8 it has less than the 1 MB that proxies accept. The
 * answer of a proxy is no permanent refusal, so a longer event would hold up all later ones.
 */
const DATA_LENGTH_MAX = 250_000;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 10_000;
/** These refuse the caller, who may log in again: the event waits for the next page. */
const OF_CALLER: ReadonlySet<string> = new Set(['closed', 'unauthorized', 'token_expired']);

/**
 * Opens the outbox of this name, and sends what an earlier page has left in it. Several tabs may
 * use the same name. The hub publishes an event once, whichever tabs send it within 24 hours of the
 * first attempt (PROTOCOL.md section 8.4).
 * @param name with users, one name for each, such as `chat user-42`
 */
export function createOutbox<Data = unknown>(
  connection: Connection,
  name: string,
  { storage, onChange, onRefused = (_unsent, error) => console.error(error) }: OutboxOptions<Data> = {},
): Outbox<Data> {
  // Throws where the browser forbids it: a frame with `sandbox`, or a browser without cookies.
  const store = (): CursorStorage => storage ?? globalThis.localStorage;
  let unsent = load();
  let isSending = false;
  // Not immediately: the caller has no outbox yet, and its listeners may use it.
  void Promise.resolve().then(sendAll);
  return {
    get unsent() {
      return unsent;
    },
    publish(channel, data, { type } = {}) {
      if (unsent.length >= UNSENT_MAX) throw new RangeError('The outbox is full.');
      // No attempt would publish data that JSON cannot have, and the next events would wait.
      if ((JSON.stringify(data) ?? '').length > DATA_LENGTH_MAX) throw new RangeError('The event is too large.');
      const added: Unsent<Data> = { key: randomId(), channel, data, type };
      save([...load(), added]);
      change([...unsent, added]);
      void sendAll();
    },
  };

  async function sendAll(): Promise<void> {
    if (isSending) return;
    isSending = true;
    for (let failures = 0, next = unsent[0]; next !== undefined; next = unsent[0]) {
      const error = await send(next);
      if (OF_CALLER.has(error?.code ?? '')) break;
      if (error === undefined || error.problem?.retryable === false) {
        remove(next);
        failures = 0;
        if (error !== undefined) call(() => onRefused(next, error));
      } else await sleep(backoffMs(failures++, Math.random(), BACKOFF_BASE_MS, BACKOFF_CAP_MS), NEVER_ABORTED);
    }
    isSending = false;
  }

  async function send({ key, channel, data, type }: Unsent<Data>): Promise<PolycastError | undefined> {
    try {
      await connection.publish(channel, data, { idempotencyKey: key, ...(type !== undefined && { type }) });
      return undefined;
    } catch (error) {
      return error as PolycastError;
    }
  }

  /** Other tabs may have stored events as well, so the stored list is read again. */
  function remove({ key }: Unsent<Data>): void {
    save(load().filter((stored) => stored.key !== key));
    change(unsent.filter((waiting) => waiting.key !== key));
  }

  function change(waiting: readonly Unsent<Data>[]): void {
    unsent = waiting;
    call(() => onChange?.(unsent));
  }

  function load(): readonly Unsent<Data>[] {
    try {
      return (JSON.parse(store().getItem(name) as string) as Unsent<Data>[] | null) ?? [];
    } catch {
      return [];
    }
  }

  function save(waiting: readonly Unsent<Data>[]): void {
    try {
      store().setItem(name, JSON.stringify(waiting));
    } catch {
      // The storage is full or forbidden: the event waits in memory only.
    }
  }
}

/** Calls a listener of the page. Its error is reported, and the outbox goes on. */
function call(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    console.error(error);
  }
}

const NEVER_ABORTED = new AbortController().signal;
