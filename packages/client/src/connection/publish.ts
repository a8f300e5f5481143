import type { ClientMessage, Problem } from '@polycast/protocol';
import { randomId } from '../random-id.ts';
import { sleep } from '../sleep.ts';
import { PolycastError, clientProblem } from '../errors.ts';
import { backoffMs } from '../machine/backoff.ts';
import { EndedError, endingOf, sendRequest, refusedEnding, withToken, type HubContext } from '../http.ts';
import type { Answer } from '../transports/transport.ts';

export interface PublishOptions {
  /** The publisher's name for the kind of event, 1 to 200 characters. */
  readonly type?: string;
  /**
   * Within 24 hours the same key publishes once (PROTOCOL.md section 8.4). The client makes a key
   * if you give none.
   */
  readonly idempotencyKey?: string;
  /** Publishes only if this is the id of the channel's newest event. */
  readonly ifMatch?: string;
  /**
   * The W3C trace context of the event, for the servers that receive it (PROTOCOL.md section 8.7).
   */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /**
   * `false` publishes immediately, beside the publishes that wait for their turn. `true` by
   * default.
   */
  readonly inOrder?: boolean;
}

export interface Published {
  /** The cursor directly after the event. */
  readonly id: string;
  readonly channel: string;
  readonly time: string;
}

/**
 * Sends an operation over an open stream; undefined without a stream that takes operations. Rejects
 * when the stream is lost, or the signal aborts.
 */
export type SendOperation = (
  message: Extract<ClientMessage, { op: 'publish' }>,
  signal: AbortSignal,
) => Promise<Answer> | undefined;

export interface PublisherOptions {
  readonly hub: HubContext;
  readonly sendOperation: SendOperation;
  readonly settings: { readonly publishTimeoutMs: number; readonly backoffBaseMs: number };
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
}

/** The number of the last operation; each has its own. */
let refs = 0;

/**
 * The longest operation for a socket, in characters. Larger ones go by HTTP: a socket that receives
 * too large a message is closed permanently (PROTOCOL.md section 7.5).
 */
const OPERATION_LENGTH_MAX = 60_000;
/**
 * The most publishes that wait at the same time, by number and by characters of their JSON. One
 * more rejects with `overloaded`.
 */
const WAITING_MAX = 1000;
const WAITING_LENGTH_MAX = 1_000_000;
/** The timeout of a single try, and the longest wait between two. */
const ATTEMPT_TIMEOUT_MS = 10_000;

export type Publish = (channel: string, data: unknown, options?: PublishOptions) => Promise<Published>;

type Envelope = Omit<Parameters<SendOperation>[0], 'op' | 'ref'>;

/**
 * Publishes over the open stream, or by HTTP, one event after the other. Tries again with the same
 * idempotency key until the hub answers. Rejects with PolycastError: the hub's refusal,
 * `request_timeout` when no hub answered in time, or `overloaded` when too many publishes wait.
 */
export function createPublisher(options: PublisherOptions): Publish {
  const { publishTimeoutMs, backoffBaseMs } = options.settings;
  let waiting = 0;
  let waitingLength = 0;
  let last: Promise<unknown> | undefined;
  /**
   * The time from which `publishTimeoutMs` counts at the earliest: the last success, or the last
   * moment offline.
   */
  let deadlineStartMs = 0;

  return async (channel, data, { inOrder = true, ...publishOptions } = {}) => {
    // Serialised now, so that later changes of `data` have no effect while it waits.
    const idempotencyKey = publishOptions.idempotencyKey ?? randomId();
    const body = JSON.stringify({ ...publishOptions, idempotencyKey, channel, data });
    if (waiting >= WAITING_MAX || waitingLength + body.length > WAITING_LENGTH_MAX)
      throw new PolycastError(clientProblem('overloaded', 'Too many publishes.', true));
    waiting++;
    waitingLength += body.length;
    const queuedMs = performance.now();
    const publishing = (): Promise<Published> => publish(body, queuedMs);
    const published = inOrder && last ? last.then(publishing) : publishing();
    const settled = published.catch(() => undefined);
    if (inOrder) last = settled;
    void settled.then(() => {
      waiting--;
      waitingLength -= body.length;
      if (last === settled) last = undefined;
    });
    return published;
  };

  async function publish(body: string, queuedMs: number): Promise<Published> {
    for (let failures = 0; ; failures++) {
      const signal = AbortSignal.any([
        options.signal,
        AbortSignal.timeout(Math.min(publishTimeoutMs, ATTEMPT_TIMEOUT_MS)),
      ]);
      let problem: Problem | undefined;
      let hintMs = 0;
      try {
        const published = await publishOnce(options, body, signal);
        deadlineStartMs = performance.now();
        return published;
      } catch (error) {
        options.signal.throwIfAborted();
        const ending = endingOf(error);
        if (ending.kind === 'refused') ({ problem, hintMs } = ending);
      }
      const nowMs = performance.now();
      // While the browser is offline the deadline moves on, and frequent checks are cheap.
      const isOffline = globalThis.navigator?.onLine === false;
      const delayMs = Math.max(
        hintMs,
        backoffMs(isOffline ? 0 : failures, Math.random(), backoffBaseMs, ATTEMPT_TIMEOUT_MS),
      );
      if (isOffline) deadlineStartMs = nowMs + delayMs;
      const isLate = nowMs + delayMs >= Math.max(deadlineStartMs, queuedMs) + publishTimeoutMs;
      if (isLate || problem?.retryable === false)
        throw new PolycastError(problem ?? clientProblem('request_timeout', 'No hub answered.', true));
      await sleep(delayMs, options.signal);
    }
  }
}

async function publishOnce(
  { sendOperation, hub }: PublisherOptions,
  body: string,
  signal: AbortSignal,
): Promise<Published> {
  const pending =
    body.length > OPERATION_LENGTH_MAX
      ? undefined
      : sendOperation({ ...(JSON.parse(body) as Envelope), op: 'publish', ref: `p${++refs}` }, signal);
  if (pending) {
    const answer = await pending;
    if (answer.ok === false) throw new EndedError(refusedEnding(answer.error));
    const { id, channel, time } = answer as Published & Answer;
    return { id, channel, time };
  }
  const response = await withToken(hub, signal, (to) =>
    sendRequest(to, to.url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal }),
  );
  return (await response.json()) as Published;
}
