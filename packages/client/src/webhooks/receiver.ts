import type { PolycastEvent } from '@polycast/protocol';
import { WebhookError } from './error.ts';
import { eventsOf } from './events.ts';
import { headerOf, type HeaderSource } from './headers.ts';
import type { SeenStore } from './seen.ts';
import { createVerifier, type VerifiedWebhook, type Verifier, type VerifierOptions } from './verify.ts';

export interface ReceiverOptions extends VerifierOptions {
  /**
   * The store of handled events. With it the handler receives each event once, as far as that is
   * possible.
   */
  readonly seen?: SeenStore;
  /**
   * The time for which a handled event is remembered, in seconds: longer than the hub retries.
   * @default 604 800, 7 days
   */
  readonly keepSeconds?: number;
  /**
   * The time for which the handler may process one event, in seconds. After that another attempt
   * may begin it anew. @default 60
   */
  readonly leaseSeconds?: number;
  /** The longest body; a longer one is refused with 413. @default 4 MiB */
  readonly bodyBytesMax?: number;
  /**
   * The hubs, by name or `*`, that may send here after the handshake of CloudEvents (`OPTIONS`).
   * @default none
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * Called with an error that the handler threw, and with the reason of a refused request.
   * @default logs to the console, except refused requests
   */
  readonly onError?: (error: unknown) => void;
}

/** The request of an event. */
export interface Delivery extends VerifiedWebhook {
  readonly headers: HeaderSource;
  /** The body as it was signed. */
  readonly body: Uint8Array;
}

/**
 * Called for each event, in order. The next event follows when the handler returns or its promise
 * resolves. After the last event the answer is 204. If the handler throws, the answer is 500, and
 * the hub tries again later. If it throws an `AnswerWith`, that is the answer.
 */
export type WebhookHandler = (event: PolycastEvent, delivery: Delivery) => unknown;

/** The answer to a request, independent of the framework. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request, independent of the framework. */
export interface ReceivedRequest {
  readonly method: string;
  readonly headers: HeaderSource;
  /**
   * Reads the whole body.
   * @throws WebhookError `body_too_large`, `body_parsed`, `invalid_body`
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
}

const BODY_BYTES_MAX = 4 * 1024 * 1024;
const KEEP_SECONDS = 7 * 24 * 3600;
const LEASE_SECONDS = 60;
/** The `Retry-After` for an event that another attempt is processing. */
const BUSY_SECONDS = 5;

/** The core of every receiver: a request in, an answer out. It never rejects. */
export class ReceiverCore {
  readonly #verify: Verifier;
  readonly #options: ReceiverOptions;
  readonly #handler: WebhookHandler;

  constructor(options: ReceiverOptions, handler: WebhookHandler) {
    this.#verify = createVerifier(options);
    this.#options = options;
    this.#handler = handler;
  }

  async answer(request: ReceivedRequest): Promise<Answer> {
    try {
      if (request.method === 'OPTIONS') return answerHandshake(request.headers, this.#options.allowedOrigins ?? []);
      if (request.method !== 'POST') return answerOf(405, '', { Allow: 'POST, OPTIONS' });
      const body = await request.readBody(this.#options.bodyBytesMax ?? BODY_BYTES_MAX);
      const { headers } = request;
      const verified = await this.#verify(body, headers);
      return await this.#handle(eventsOf(body, headers, verified), { ...verified, headers, body });
    } catch (error) {
      return this.#refuse(error);
    }
  }

  async #handle(events: readonly PolycastEvent[], delivery: Delivery): Promise<Answer> {
    const challenge = challengeOf(events);
    if (challenge !== undefined) return answerOf(200, JSON.stringify({ challenge }), JSON_CONTENT);
    for (const event of events) {
      const answer = await this.#handleOnce(event, delivery);
      if (answer !== undefined) return answer;
    }
    return answerOf(204);
  }

  /** Handles an event once. Returns an answer if the request ends with this event. */
  async #handleOnce(event: PolycastEvent, delivery: Delivery): Promise<Answer | undefined> {
    const { seen, leaseSeconds = LEASE_SECONDS, keepSeconds = KEEP_SECONDS } = this.#options;
    // A gap has the id of the last lost event.
    const id = event.type === 'polycast.gap' ? `gap ${event.id}` : event.id;
    const state = (await seen?.begin(id, leaseSeconds)) ?? 'new';
    if (state === 'done') return undefined;
    if (state === 'busy') return answerOf(409, 'another attempt is in progress', retryAfter(BUSY_SECONDS));
    try {
      await this.#handler(event, delivery);
    } catch (error) {
      await seen?.abandon(id);
      throw error;
    }
    await seen?.finish(id, keepSeconds);
    return undefined;
  }

  #refuse(error: unknown): Answer {
    const { onError = logError } = this.#options;
    if (error instanceof AnswerWith) return answerOf(error.status, '', retryAfter(error.retryAfterSeconds));
    onError(error);
    if (!(error instanceof WebhookError)) return answerOf(500, 'the handler failed');
    return answerOf(REFUSALS[error.code] ?? 400, `${error.code}: ${error.message}`);
  }
}

/**
 * Thrown by a handler to choose the answer: 410 ends the subscription, 429 and 503 slow the hub
 * down.
 * @param status 400 to 599
 * @param retryAfterSeconds the wait before the hub's next attempt; the hub's own schedule by
 * default
 */
export class AnswerWith extends Error {
  override readonly name = 'AnswerWith';
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, retryAfterSeconds?: number) {
    super(`answered with ${status}`);
    if (!(status >= 400 && status <= 599)) throw new RangeError(`${status} is not a valid status for a failed webhook`);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const JSON_CONTENT = { 'Content-Type': 'application/json' };

/** A parsed body is a mistake of this receiver, not of the sender. */
const REFUSALS: Readonly<Record<string, number>> = {
  no_signature: 401,
  wrong_signature: 401,
  body_too_large: 413,
  body_parsed: 500,
};

function logError(error: unknown): void {
  if (!(error instanceof WebhookError) || error.code === 'body_parsed') console.error(error);
}

/**
 * Returns the challenge of a signed `polycast.verify`. The endpoint answers with it to prove that
 * it wants the events (PROTOCOL.md section 14.5).
 */
function challengeOf(events: readonly PolycastEvent[]): unknown {
  const [event] = events;
  if (events.length !== 1 || event?.type !== 'polycast.verify') return undefined;
  return (event.data as { challenge?: unknown } | null)?.challenge;
}

/**
 * Answers the handshake of CloudEvents HTTP 1.1 Web Hooks, section 4: the headers alone allow the
 * sender.
 */
function answerHandshake(headers: HeaderSource, allowed: readonly string[]): Answer {
  const origin = headerOf(headers, 'webhook-request-origin');
  const allows = { Allow: 'POST, OPTIONS' };
  if (origin === undefined || !(allowed.includes(origin) || allowed.includes('*'))) return answerOf(204, '', allows);
  return answerOf(204, '', { ...allows, 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': '*' });
}

function retryAfter(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { 'Retry-After': String(Math.ceil(seconds)) };
}

function answerOf(status: number, body = '', headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body };
}
