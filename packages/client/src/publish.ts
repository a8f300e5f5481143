import type { ClientMessage, Problem } from '@polycast/protocol';
import { PolycastError, refusal } from './errors.ts';
import { EndedError, endingOf, exchange, headersOf, type Means, type Target } from './http.ts';
import { createKey } from './key.ts';
import { backoffMs } from './machine/backoff.ts';
import type { Settings } from './options.ts';
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

/** Asks an open stream; undefined when there is none that takes operations. Rejects when it is lost, or the signal aborts. */
export type Ask = (
  message: Extract<ClientMessage, { op: 'publish' }>,
  signal: AbortSignal,
) => Promise<Answer> | undefined;

export interface PublisherOptions {
  readonly means: Means;
  readonly target: () => Promise<Target>;
  readonly ask: Ask;
  readonly settings: Settings;
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
}

/** Each operation has a name of its own. */
let refs = 0;

/** Larger operations go by HTTP: a socket that is sent too large a message is closed for good (PROTOCOL.md section 7.5). */
const OPERATION_LENGTH_MAX = 60_000;
/** Publishes under way at the same time; one more is rejected with `overloaded`. */
const UNDER_WAY_MAX = 1000;
/** A single try, of those that fit into the time there is; and the longest wait between two. */
const TRY_TIMEOUT_MS = 10_000;

export type Publish = (channel: string, data: unknown, options?: PublishOptions) => Promise<Published>;

/**
 * Publishes over the open stream, or by HTTP, and tries again with the same idempotency key until an answer is had.
 * Rejects with PolycastError: the hub's refusal, or `request_timeout` when no hub answered in time.
 */
export function createPublisher(options: PublisherOptions): Publish {
  let underWay = 0;
  return async (channel, data, publishOptions) => {
    if (underWay >= UNDER_WAY_MAX) throw new PolycastError(refusal('overloaded', 'Too many publishes.', true));
    underWay++;
    try {
      return await publish(options, {
        ...publishOptions,
        idempotencyKey: publishOptions?.idempotencyKey ?? createKey(),
        channel,
        data,
      });
    } finally {
      underWay--;
    }
  };
}

type Envelope = Omit<Parameters<Ask>[0], 'op' | 'ref'>;

async function publish(options: PublisherOptions, envelope: Envelope): Promise<Published> {
  const { publishTimeoutMs, backoffBaseMs } = options.settings;
  const body = JSON.stringify(envelope);
  const untilMs = performance.now() + publishTimeoutMs;
  for (let failures = 0; ; failures++) {
    const tryMs = Math.min(untilMs - performance.now(), TRY_TIMEOUT_MS);
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(Math.max(1, tryMs | 0))]);
    let problem: Problem | undefined;
    let hintMs = 0;
    try {
      return await tryOnce(options, envelope, body, signal);
    } catch (error) {
      options.signal.throwIfAborted();
      const ending = endingOf(error);
      if (ending.kind === 'refused') ({ problem, retryAfterMs: hintMs } = ending);
    }
    const delayMs = Math.max(hintMs, backoffMs(failures, Math.random(), backoffBaseMs, TRY_TIMEOUT_MS));
    const isLate = performance.now() + delayMs >= untilMs;
    if (isLate || problem?.retryable === false) {
      throw new PolycastError(
        problem ?? refusal('request_timeout', `No hub answered in ${publishTimeoutMs} ms.`, true),
      );
    }
    await sleep(delayMs, options.signal);
  }
}

async function tryOnce(
  { ask, means, target }: PublisherOptions,
  envelope: Envelope,
  body: string,
  signal: AbortSignal,
): Promise<Published> {
  const asked =
    body.length > OPERATION_LENGTH_MAX ? undefined : ask({ ...envelope, op: 'publish', ref: `p${++refs}` }, signal);
  if (asked !== undefined) {
    const answer = await asked;
    if (answer.ok === false)
      throw new EndedError({
        kind: 'refused',
        problem: answer.error,
        retryAfterMs: Number(answer.error['retryAfterMs'] ?? 0),
      });
    const { id, channel, time } = answer as Published & Answer;
    return { id, channel, time };
  }
  const to = await target();
  const headers = headersOf(to, 'application/json');
  headers.set('Content-Type', 'application/json');
  const response = await exchange(means, to.url, { method: 'POST', headers, body, signal });
  return (await response.json()) as Published;
}
