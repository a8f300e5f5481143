import type { PolycastEvent } from '@polycast/protocol';
import { WebhookError } from './error.ts';
import { eventsOf } from './events.ts';
import { headerOf, type HeaderSource } from './headers.ts';
import type { SeenStore } from './seen.ts';
import { createVerifier, type VerifiedWebhook, type Verifier, type VerifierOptions } from './verify.ts';

export interface ReceiverOptions extends VerifierOptions {
  /** Where it is kept which events were handled: with it the handler has each event once, as far as that is possible. */
  readonly seen?: SeenStore;
  /** How long an event that was handled is remembered: longer than the hub tries. @default 604 800, 7 days */
  readonly keepSeconds?: number;
  /** How long the handler may take for one event before another attempt may begin it anew. @default 60 */
  readonly leaseSeconds?: number;
  /** More is refused with 413. @default 4 MiB */
  readonly bodyBytesMax?: number;
  /** Hubs, by their own name or `*`, that may send here by CloudEvents' handshake (`OPTIONS`). @default none */
  readonly allowedOrigins?: readonly string[];
  /**
   * Told what the handler threw, and why a request was refused.
   * @default the console, for all but refused requests
   */
  readonly onError?: (error: unknown) => void;
}

/** What an event came with. */
export interface Delivery extends VerifiedWebhook {
  readonly headers: HeaderSource;
  /** As it was signed. */
  readonly body: Uint8Array;
}

/**
 * Called for each event, in order. When it returns, or what it returns has resolved, the next one follows; after the last the request is
 * answered with 204. When it throws, the answer is 500, and the hub tries again later; an `AnswerWith` is the answer itself.
 */
export type WebhookHandler = (event: PolycastEvent, delivery: Delivery) => unknown;

/** The answer to a request, for whatever sends it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request, from whatever got it. */
export interface ReceivedRequest {
  readonly method: string;
  readonly headers: HeaderSource;
  /** All of it, unless it is longer. @throws WebhookError `body_too_large`, `body_parsed` */
  readBody(bytesMax: number): Promise<Uint8Array>;
}

const BODY_BYTES_MAX = 4 * 1024 * 1024;
const KEEP_SECONDS = 7 * 24 * 3600;
const LEASE_SECONDS = 60;
/** When an event is busy with another attempt. */
const BUSY_SECONDS = 5;

/** What goes on in every receiver, whatever lies around it: a request in, an answer out. It never rejects. */
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

  /** The answer when that ends the request. */
  async #handleOnce(event: PolycastEvent, delivery: Delivery): Promise<Answer | undefined> {
    const { seen, leaseSeconds = LEASE_SECONDS, keepSeconds = KEEP_SECONDS } = this.#options;
    // A gap has the id of the last event that is lost.
    const id = event.type === 'polycast.gap' ? `gap ${event.id}` : event.id;
    const state = (await seen?.begin(id, leaseSeconds)) ?? 'new';
    if (state === 'done') return undefined;
    if (state === 'busy') return answerOf(409, 'another attempt is being handled', retryAfter(BUSY_SECONDS));
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
 * What a handler throws to answer itself: 410 ends the subscription, 429 and 503 slow the hub down.
 * @param status 400 to 599
 * @param retryAfterSeconds when the hub may try again; unless it is given, by the hub's own schedule
 */
export class AnswerWith extends Error {
  override readonly name = 'AnswerWith';
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, retryAfterSeconds?: number) {
    super(`answered with ${status}`);
    if (!(status >= 400 && status <= 599)) throw new RangeError(`${status} is no answer to a webhook that has failed`);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const JSON_CONTENT = { 'Content-Type': 'application/json' };

/** A body that was parsed before is this receiver's own mistake, not the sender's. */
const REFUSALS: Readonly<Record<string, number>> = {
  no_signature: 401,
  wrong_signature: 401,
  body_too_large: 413,
  body_parsed: 500,
};

function logError(error: unknown): void {
  if (!(error instanceof WebhookError) || error.code === 'body_parsed') console.error(error);
}

/** An endpoint proves that it wants the events by returning what a signed `polycast.verify` holds (PROTOCOL.md section 14.5). */
function challengeOf(events: readonly PolycastEvent[]): unknown {
  const [event] = events;
  if (events.length !== 1 || event?.type !== 'polycast.verify') return undefined;
  return (event.data as { challenge?: unknown } | null)?.challenge;
}

/** CloudEvents HTTP 1.1 Web Hooks, section 4: consent is given by the headers alone. */
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
