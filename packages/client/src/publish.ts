import type { ClientMessage, Problem } from '@polycast/protocol';
import { PolycastError, refusal } from './errors.ts';
import { createKey } from './key.ts';
import { EndedError, exchange, headersOf, type Means, type Target } from './http.ts';
import { backoffMs } from './machine/backoff.ts';
import { sleep } from './sleep.ts';
import type { Answer } from './transports/transport.ts';

export interface PublishOptions {
  /** The publisher's name for what happened, 1 to 200 characters. */
  readonly type?: string;
  /** For 24 hours the same key publishes once (PROTOCOL.md section 8.4). One is made when none is given. */
  readonly idempotencyKey?: string;
  /** Publishes only if this is the id of the channel's newest event. */
  readonly ifMatch?: string;
}

export interface Published {
  /** The cursor just after the event. */
  readonly id: string;
  readonly channel: string;
  readonly time: string;
}

type PublishMessage = Extract<ClientMessage, { op: 'publish' }>;

/** An open stream that takes operations. */
export interface Link {
  /** Rejects when the stream is lost before it has answered. */
  ask(message: ClientMessage & { readonly ref: string }): Promise<Answer>;
}

export interface PublisherOptions {
  readonly means: Means;
  readonly target: () => Promise<Target>;
  /** The open stream, if there is one that takes operations. */
  readonly link: () => Link | undefined;
  readonly timeoutMs: number;
  readonly backoffBaseMs: number;
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
}

/** Larger operations go by HTTP: a socket that is sent too large a message is closed for good (PROTOCOL.md section 7.5). */
const OPERATION_LENGTH_MAX = 60_000;
/** Publishes under way at the same time; one more is rejected with `overloaded`. */
const UNDER_WAY_MAX = 1000;
/** A single try, of those that fit into the time there is. */
const TRY_TIMEOUT_MS = 10_000;

export type Publish = (channel: string, data: unknown, options: PublishOptions) => Promise<Published>;

/**
 * Publishes over the open stream, or by HTTP, and tries again with the same idempotency key until an answer is had.
 * Rejects with PolycastError: the hub's refusal, or `request_timeout` when no hub answered in time.
 */
export function createPublisher(options: PublisherOptions): Publish {
  let underWay = 0;
  return async (channel, data, { type, idempotencyKey = createKey(), ifMatch }) => {
    if (underWay >= UNDER_WAY_MAX) throw new PolycastError(refusal('overloaded', `${UNDER_WAY_MAX} publishes are under way.`, true));
    underWay++;
    try {
      return await publish(options, {
        op: 'publish',
        channel,
        data,
        ...(type === undefined ? {} : { type }),
        idempotencyKey,
        ...(ifMatch === undefined ? {} : { ifMatch }),
      });
    } finally {
      underWay--;
    }
  };
}

async function publish(options: PublisherOptions, message: PublishMessage): Promise<Published> {
  const { timeoutMs, backoffBaseMs, signal } = options;
  const body = JSON.stringify({ ...message, op: undefined });
  const untilMs = performance.now() + timeoutMs;
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    const leftMs = untilMs - performance.now();
    const outcome = await tryOnce(
      options,
      message,
      body,
      AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.min(leftMs, TRY_TIMEOUT_MS)))]),
    );
    if ('id' in outcome) return outcome;
    signal.throwIfAborted();
    if (outcome.problem !== undefined && !outcome.problem.retryable) throw new PolycastError(outcome.problem);
    const delayMs = Math.max(outcome.retryAfterMs, backoffMs(failures, Math.random(), backoffBaseMs, TRY_TIMEOUT_MS));
    if (performance.now() + delayMs >= untilMs) {
      throw new PolycastError(outcome.problem ?? refusal('request_timeout', `No hub answered within ${timeoutMs} ms.`, true));
    }
    await sleep(delayMs, signal);
  }
}

interface Failure {
  /** Undefined when nobody answered. */
  readonly problem: Problem | undefined;
  readonly retryAfterMs: number;
}

async function tryOnce(
  options: PublisherOptions,
  message: PublishMessage,
  body: string,
  signal: AbortSignal,
): Promise<Published | Failure> {
  try {
    const link = body.length > OPERATION_LENGTH_MAX ? undefined : options.link();
    return link === undefined ? await post(options, body, signal) : await ask(link, message, signal);
  } catch (error) {
    if (error instanceof EndedError && error.ending.kind === 'refused') {
      return { problem: error.ending.problem, retryAfterMs: error.ending.retryAfterMs ?? 0 };
    }
    return { problem: undefined, retryAfterMs: 0 };
  }
}

async function ask(link: Link, message: PublishMessage, signal: AbortSignal): Promise<Published | Failure> {
  const answer = await Promise.race([link.ask({ ...message, ref: createKey() }), aborted(signal)]);
  if (answer.ok) return answer as Published & { readonly ok: true };
  return { problem: answer.error, retryAfterMs: Number(answer.error['retryAfterMs'] ?? 0) };
}

async function post({ means, target }: PublisherOptions, body: string, signal: AbortSignal): Promise<Published> {
  const to = await target();
  const headers = headersOf(to, 'application/json');
  headers.set('Content-Type', 'application/json');
  const response = await exchange(means, to.url, { method: 'POST', headers, body, signal });
  return (await response.json()) as Published;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
}
