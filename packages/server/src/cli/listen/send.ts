import type { Secret } from '../../core/subscription/definition.ts';
import { signatures } from '../../deliveries/webhook/signature.ts';

/** What an endpoint on this machine is sent. */
export interface LocalRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
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

/** An event as a webhook's request, signed now (PROTOCOL.md section 14.3). */
export function requestOf(url: string, id: string, event: string, secrets: readonly Secret[]): LocalRequest {
  const body = Buffer.from(event);
  const nowMs = Date.now();
  const seconds = Math.floor(nowMs / 1000);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Polycast-Listen',
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures({ id, seconds, body }, secrets, nowMs),
  };
  return { url, headers, body };
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
    return result({ status: response.status, why: '', text: await beginning(response) });
  } catch (error) {
    const cause = ((error as { cause?: unknown }).cause ?? error) as NodeJS.ErrnoException;
    const why = signal.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : (cause.code ?? cause.message);
    return result({ status: undefined, why, text: '' });
  }
}

async function beginning(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length >= ANSWER_BYTES_MAX) break;
  }
  return text.slice(0, ANSWER_BYTES_MAX);
}
