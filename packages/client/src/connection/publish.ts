import type { ClientMessage, Problem } from '@polycast/protocol';
import { randomId } from '../random-id.ts';
import { sleep } from '../sleep.ts';
import { PolycastError, clientProblem } from '../errors.ts';
import { backoffMs } from '../machine/backoff.ts';
import type { Settings } from './options.ts';
import { EndedError, endingOf, sendRequest, refusedEnding, withToken, type HubContext } from '../http.ts';
import type { Answer } from '../transports/transport.ts';

export interface PublishOptions {
  /** The publisher's name for what happened, 1 to 200 characters. */
  readonly type?: string;
  /** For 24 hours the same key publishes once (PROTOCOL.md section 8.4). One is made when none is given. */
  readonly idempotencyKey?: string;
  /** Publishes only if this is the id of the channel's newest event. */
  readonly ifMatch?: string;
  /** `false`: at once, beside those that wait for their turn. */
  readonly inOrder?: boolean;
}

export interface Published {
  /** The cursor just after the event. */
  readonly id: string;
  readonly channel: string;
  readonly time: string;
}

/** Asks an open stream; undefined when there is none that takes operations. Rejects when it is lost, or the signal aborts. */
export type SendOperation = (
  message: Extract<ClientMessage, { op: 'publish' }>,
  signal: AbortSignal,
) => Promise<Answer> | undefined;

export interface PublisherOptions {
  readonly hub: HubContext;
  readonly sendOperation: SendOperation;
  readonly settings: Settings;
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
}

/** Each operation has a name of its own. */
let refs = 0;

/** Larger operations go by HTTP: a socket that is sent too large a message is closed for good (PROTOCOL.md section 7.5). */
const OPERATION_LENGTH_MAX = 60_000;
/** What waits at the same time, in publishes and in characters of their JSON; one more is rejected with `overloaded`. */
const WAITING_MAX = 1000;
const WAITING_LENGTH_MAX = 1_000_000;
/** A single try, and the longest wait between two. */
const ATTEMPT_TIMEOUT_MS = 10_000;

export type Publish = (channel: string, data: unknown, options?: PublishOptions) => Promise<Published>;

type Envelope = Omit<Parameters<SendOperation>[0], 'op' | 'ref'>;

/**
 * Publishes over the open stream, or by HTTP, one after the other, and tries again with the same idempotency key until an
 * answer is had. Rejects with PolycastError: the hub's refusal, `request_timeout` when no hub answered in time, or `overloaded`
 * when too much waits.
 */
export function createPublisher(options: PublisherOptions): Publish {
  const { publishTimeoutMs, backoffBaseMs } = options.settings;
  let waiting = 0;
  let waitingLength = 0;
  let last: Promise<unknown> | undefined;
  /** When it was last known not to be the hub's fault that there is no answer. */
  let deadlineStartMs = 0;

  return async (channel, data, { inOrder = true, ...publishOptions } = {}) => {
    // As it is now, whatever becomes of it while it waits.
    const idempotencyKey = publishOptions.idempotencyKey ?? randomId();
    const body = JSON.stringify({ ...publishOptions, idempotencyKey, channel, data });
    if (waiting >= WAITING_MAX || waitingLength + body.length > WAITING_LENGTH_MAX)
      throw new PolycastError(clientProblem('overloaded', 'Too many publishes.', true));
    waiting++;
    waitingLength += body.length;
    const queuedMs = performance.now();
    const publishing = (): Promise<Published> => publish(body, queuedMs);
    const published = inOrder && last !== undefined ? last.then(publishing) : publishing();
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
      // While it is known that there is no network, time stands still, and it costs little to look often.
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
  if (pending !== undefined) {
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
