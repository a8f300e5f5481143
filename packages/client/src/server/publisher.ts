import type { Problem } from '@polycast/protocol';
import { PolycastError, clientProblem } from '../errors.ts';
import { endingOf, sendRequest } from '../http.ts';
import { randomId } from '../random-id.ts';
import { backoffMs } from '../machine/backoff.ts';
import { sleep } from '../sleep.ts';
import type { Published } from '../connection/publish.ts';

export interface ServerPublisherOptions {
  /**
   * One of the hub's keys (`pck_…`), with the scope `publish`. A hub without access control needs
   * none.
   */
  readonly key?: string;
  /** The time for which one call is tried, in milliseconds. @default 30 000 */
  readonly timeoutMs?: number;
  /**
   * Whether each event gets an idempotency key. Without keys, a call that is tried again may
   * publish twice, and the hub stores no key for 24 hours. Choose `false` for streams of values,
   * such as prices, where the newest replaces the others.
   * @default true
   */
  readonly idempotent?: boolean;
  /** @default the platform's */
  readonly fetch?: typeof fetch;
}

export interface ServerPublishOptions {
  /** The kind of event, 1 to 200 characters. */
  readonly type?: string;
  /**
   * Within 24 hours the same key publishes once (PROTOCOL.md section 8.4). The publisher makes a
   * key if you give none.
   */
  readonly idempotencyKey?: string;
  /**
   * Publishes only if this is the id of the channel's newest event; with `none`, only if the
   * channel has no event.
   */
  readonly ifMatch?: string;
  /**
   * The W3C trace context of the event (PROTOCOL.md section 8.7). Webhooks and pulls receive it.
   */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** One of many events. */
export interface ServerEvent extends ServerPublishOptions {
  readonly channel: string;
  readonly data: unknown;
}

/**
 * The result for one of many events: published, or refused. A refused event does not stop the
 * others.
 */
export type ServerPublishResult = Published | { readonly error: Problem };

/**
 * Publishes from a backend. Each call tries again, with the same idempotency keys, until the hub
 * answers. Rejects with PolycastError: the hub's refusal, or `request_timeout` when no hub answered
 * in time.
 */
export interface ServerPublisher {
  publish(channel: string, data: unknown, options?: ServerPublishOptions): Promise<Published>;
  /** Publishes at most 10,000 events, in order; returns a result for each. */
  publishMany(events: readonly ServerEvent[]): Promise<readonly ServerPublishResult[]>;
  /**
   * Sends a private event to all devices of a user, now or when they reconnect (PROTOCOL.md section
   * 13.5).
   */
  publishToUser(user: string, data: unknown, options?: ServerPublishOptions): Promise<Published>;
  /** Sends the same event to at most 10,000 users; returns a result for each, in order. */
  publishToUsers(
    users: readonly string[],
    data: unknown,
    options?: Omit<ServerPublishOptions, 'ifMatch'>,
  ): Promise<readonly ServerPublishResult[]>;
}

const TIMEOUT_MS = 30_000;
/** The timeout of a single try, and the longest wait between two. */
const ATTEMPT_TIMEOUT_MS = 10_000;
const BACKOFF_BASE_MS = 200;

/** @param url of the hub, such as `https://hub.example` */
export function createPublisher(url: string | URL, options: ServerPublisherOptions = {}): ServerPublisher {
  const send = <Answer>(path: string, body: unknown): Promise<Answer> =>
    post(new URL(path, url), JSON.stringify(body), options);
  const withKey = options.idempotent === false ? <Body>(body: Body): Body => body : withIdempotencyKey;
  return {
    publish: (channel, data, more) => send('/v1/events', withKey({ ...more, channel, data })),
    publishMany: (events) =>
      send(
        '/v1/events',
        events.map((event) => withKey(event)),
      ),
    publishToUser: (user, data, more) =>
      send(`/v1/users/${encodeURIComponent(user)}/events`, withKey({ ...more, data })),
    async publishToUsers(users, data, more) {
      const { results } = await send<{ results: ServerPublishResult[] }>(
        '/v1/users/events',
        withKey({ ...more, users, data }),
      );
      return results;
    },
  };
}

function withIdempotencyKey<Body extends ServerPublishOptions>(body: Body): Body {
  return { ...body, idempotencyKey: body.idempotencyKey ?? randomId() };
}

async function post<Answer>(url: URL, body: string, options: ServerPublisherOptions): Promise<Answer> {
  const { key, timeoutMs = TIMEOUT_MS, fetch: send = fetch } = options;
  const headers = { 'Content-Type': 'application/json' };
  const deadlineMs = performance.now() + timeoutMs;
  for (let failures = 0; ; failures++) {
    const attemptTimeoutMs = Math.max(1, Math.min(deadlineMs - performance.now(), ATTEMPT_TIMEOUT_MS) | 0);
    let problem: Problem | undefined;
    let hintMs = 0;
    try {
      const init = { method: 'POST', headers, body, signal: AbortSignal.timeout(attemptTimeoutMs) };
      return (await (await sendRequest({ fetch: send, token: key }, url, init)).json()) as Answer;
    } catch (error) {
      const ending = endingOf(error);
      if (ending.kind === 'refused') ({ problem, hintMs } = ending);
    }
    const delayMs = Math.max(hintMs, backoffMs(failures, Math.random(), BACKOFF_BASE_MS, ATTEMPT_TIMEOUT_MS));
    if (problem?.retryable === false || performance.now() + delayMs >= deadlineMs)
      throw new PolycastError(problem ?? clientProblem('request_timeout', `No hub answered in ${timeoutMs} ms.`, true));
    await sleep(delayMs, NEVER_ABORTED);
  }
}

const NEVER_ABORTED = new AbortController().signal;
