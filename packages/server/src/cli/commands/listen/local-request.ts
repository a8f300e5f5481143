import { parseCursor, type Cursor, type PolycastEvent } from '@polycast/protocol';
import type { BodyFormat, Secret } from '../../../subscriptions/state/definition.ts';
import { webhookRequest } from '../../../subscriptions/webhook/request/webhook-request.ts';

/** What an endpoint on this machine is sent. */
export interface LocalRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How an endpoint wants its requests, as a subscription would say it. */
export interface LocalEndpoint {
  readonly url: string;
  readonly format: BodyFormat;
  /** Of its own; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
}

export interface LocalAnswer {
  /** `undefined`: none came, and `why` says so. */
  readonly status: number | undefined;
  readonly why: string;
  /** The beginning of what it said. */
  readonly text: string;
  readonly durationMs: number;
}

/** As the hub gives an endpoint (PROTOCOL.md section 14.4). */
const TIMEOUT_MS = 15_000;
const ANSWER_BYTES_MAX = 16 * 1024;

/**
 * An event as a webhook's request, signed now: made as the hub makes it (PROTOCOL.md section 14.3).
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
    dialect: 'standard' as const,
    format,
    headers: { 'user-agent': 'Polycast-Listen', ...headers },
    batch: undefined,
    timeoutMs: TIMEOUT_MS,
    retryDelaysMs: [],
    secrets,
  };
  const request = webhookRequest({ delivery }, [record], epoch, Date.now());
  return { url, headers: request.headers, body: request.body as Uint8Array };
}

/** Never rejects. */
export async function send({ url, headers, body }: LocalRequest): Promise<LocalAnswer> {
  const startedMs = performance.now();
  const result = (answer: Omit<LocalAnswer, 'durationMs'>): LocalAnswer => ({
    ...answer,
    durationMs: performance.now() - startedMs,
  });
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    // A redirect is a failure, as it is for the hub.
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
    const why = signal.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : (cause.code ?? cause.message);
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
