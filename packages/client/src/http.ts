import type { PollAnswer, Problem } from '@polycast/protocol';
import type { Ending, OpenRequest } from './machine/state.ts';

/** What the outside lends; each can be given by the caller. */
export interface Means {
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket | undefined;
}

/** The hub, and who asks. */
export interface Target {
  /** `…/v1/events` */
  readonly url: URL;
  readonly token: string | undefined;
}

/** What a poll asks beside the channels. */
export interface PollOptions {
  readonly types?: readonly string[] | undefined;
  /** 1 to 1000. */
  readonly limit: number;
  /** How long the hub may hold the answer, seconds; 0 for at once. */
  readonly waitSeconds?: number;
  readonly etag?: string | undefined;
  readonly signal: AbortSignal;
}

export interface Polled {
  /** Undefined: nothing new (`304`). */
  readonly answer: PollAnswer | undefined;
  readonly etag: string | undefined;
  /** Whether more may wait, because the answer was as long as it may be (PROTOCOL.md section 5.4). */
  readonly cut: boolean;
}

/** An answer of this many characters may have been cut at the hub's 1 MiB. */
const CUT_LENGTH = 400_000;

/** An HTTP exchange that did not bring what was asked for. */
export class EndedError extends Error {
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(ending.kind === 'lost' ? ending.why : ending.kind);
    this.ending = ending;
  }
}

/** One poll (PROTOCOL.md section 5). Rejects with EndedError. */
export async function poll(means: Means, target: Target, request: OpenRequest, options: PollOptions): Promise<Polled> {
  const url = addressOf(target.url, request);
  url.searchParams.set('limit', String(options.limit));
  for (const type of options.types ?? []) url.searchParams.append('type', type);
  if (options.waitSeconds) url.searchParams.set('wait', String(options.waitSeconds));
  const headers = headersOf(target, 'application/json');
  if (options.etag !== undefined) headers.set('If-None-Match', options.etag);
  const response = await exchange(means, url, { headers, cache: 'no-store', signal: options.signal });
  const etag = response.headers.get('etag') ?? undefined;
  if (response.status === 304) return { answer: undefined, etag, cut: false };
  const text = await response.text().catch(lost);
  const answer = readAnswer(text);
  return { answer, etag, cut: answer.events.length >= options.limit || text.length > CUT_LENGTH };
}

/** Sends a request; rejects with EndedError unless it was answered with 2xx or 304. */
export async function exchange(means: Means, url: URL, init: RequestInit): Promise<Response> {
  const response = await means.fetch(url, init).catch(lost);
  if (response.ok || response.status === 304) return response;
  const problem = await readProblem(response);
  if (problem === undefined) throw new EndedError({ kind: 'lost', why: `status ${response.status}` });
  throw new EndedError({
    kind: 'refused',
    problem,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after'), Date.now()),
  });
}

/** Where the events of these channels are read. */
export function addressOf(base: URL, { channels, after, history }: OpenRequest): URL {
  const url = new URL(base);
  for (const channel of channels) url.searchParams.append('channel', channel);
  if (after !== undefined) url.searchParams.set('after', after);
  else if (history !== undefined) url.searchParams.set('history', String(history));
  return url;
}

export function headersOf({ token }: Target, accept: string): Headers {
  const headers = new Headers({ Accept: accept });
  if (token !== undefined) headers.set('Authorization', `Bearer ${token}`);
  return headers;
}

/** What went wrong, in the words of the machine. */
export function endingOf(error: unknown): Ending {
  if (error instanceof EndedError) return error.ending;
  return { kind: 'lost', why: error instanceof Error ? error.message : String(error) };
}

/** `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3), as milliseconds from now. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null || value === '') return undefined;
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs);
}

/** The problem document of a refusal (PROTOCOL.md section 9.1); undefined for what proxies and others answer. */
async function readProblem(response: Response): Promise<Problem | undefined> {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) {
    await response.body?.cancel().catch(() => undefined);
    return undefined;
  }
  const problem = (await response.json().catch(() => undefined)) as Partial<Problem> | undefined;
  return typeof problem?.code === 'string' ? (problem as Problem) : undefined;
}

function readAnswer(text: string): PollAnswer {
  try {
    const answer = JSON.parse(text) as Partial<PollAnswer>;
    if (Array.isArray(answer.events) && typeof answer.cursor === 'string') return { gaps: [], ...answer } as PollAnswer;
  } catch {
    // Said below: what is not JSON is no better than JSON of something else.
  }
  throw new EndedError({ kind: 'lost', why: 'not the answer of a hub' });
}

function lost(error: unknown): never {
  throw new EndedError(endingOf(error));
}
