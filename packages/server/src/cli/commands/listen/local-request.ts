import { parseCursor, type Cursor, type PolycastEvent } from '@polycast/protocol';
import type { BodyFormat, Secret } from '../../../subscriptions/state/definition.ts';
import { standard } from '../../../subscriptions/dialects/standard/dialect.ts';
import { webhookRequest } from '../../../subscriptions/webhook/request/webhook-request.ts';

/** A request for an endpoint on this machine. */
export interface LocalRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The form of an endpoint's requests, with the settings of a subscription. */
export interface LocalEndpoint {
  readonly url: string;
  readonly format: BodyFormat;
  /** The endpoint's own headers; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
}

export interface LocalAnswer {
  /** `undefined` without an answer; `why` gives the reason. */
  readonly status: number | undefined;
  readonly why: string;
  /** The beginning of its body. */
  readonly text: string;
  readonly durationMs: number;
}

/** The hub's own timeout for endpoints (PROTOCOL.md section 14.4). */
const TIMEOUT_MS = 15_000;
const ANSWER_BYTES_MAX = 16 * 1024;

/**
 * Makes the webhook request of an event, signed now, as the hub makes it (PROTOCOL.md section
 * 14.3).
 * @param text the event's JSON, as the hub wrote it
 */
export function localRequest(
  { url, format, headers, secrets }: LocalEndpoint,
  { id, channel, type, time }: PolycastEvent,
  text: string,
): LocalRequest {
  const { epoch, position } = parseCursor(id) as Cursor;
  const body = Buffer.from(text.slice(`{"id":"${id}",`.length));
  const record = { position, channel, type, timeMs: Date.parse(time), body };
  const delivery = {
    kind: 'webhook' as const,
    url,
    dialect: standard.name,
    format,
    headers: { 'user-agent': 'Polycast-Listen', ...headers },
    batch: undefined,
    timeoutMs: TIMEOUT_MS,
    retryDelaysMs: [],
    secrets,
  };
  const request = webhookRequest(standard, delivery, [record], epoch, Date.now());
  return { url, headers: request.headers, body: request.body as Uint8Array };
}

/** Sends a request; never rejects. */
export async function send({ url, headers, body }: LocalRequest): Promise<LocalAnswer> {
  const startedMs = performance.now();
  const result = (answer: Omit<LocalAnswer, 'durationMs'>): LocalAnswer => ({
    ...answer,
    durationMs: performance.now() - startedMs,
  });
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    // A redirect is a failure, as for the hub.
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
      redirect: 'manual',
      signal,
    });
    return result({ status: response.status, why: '', text: await readBeginning(response) });
  } catch (error) {
    const cause = ((error as { cause?: unknown }).cause ?? error) as NodeJS.ErrnoException;
    const why = signal.aborted ? `no response within ${TIMEOUT_MS / 1000} s` : (cause.code ?? cause.message);
    return result({ status: undefined, why, text: '' });
  }
}

async function readBeginning(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length >= ANSWER_BYTES_MAX) break;
  }
  return text.slice(0, ANSWER_BYTES_MAX);
}
