import type { PollResponse, Problem } from '@polycast/protocol';
import { unlessAborted } from './sleep.ts';
import type { Ending, OpenRequest } from './machine/state.ts';
import { refusesToken } from './errors.ts';
import type { Tokens } from './connection/tokens.ts';

/** What the outside lends; each can be given by the caller. */
export interface Platform {
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket | undefined;
}

/** A hub, whoever asks. */
export interface HubContext extends Platform {
  /** `…/v1/events` */
  readonly url: URL;
  readonly tokens: Tokens;
}

/** The hub, and who asks. */
export interface RequestContext extends HubContext {
  readonly token: string | undefined;
}

/** What a poll asks beside the channels. */
export interface PollOptions {
  readonly types?: readonly string[] | undefined;
  /** 1 to 1000. */
  readonly limit: number;
  /**
   * How long the hub may hold the answer, seconds; 0 for at once. Undefined: at once, and beside a stream that shows who is there, so that
   * this poll does not count as presence (PROTOCOL.md section 13.6).
   */
  readonly waitSeconds?: number | undefined;
  readonly signal: AbortSignal;
}

/** An answer of this many characters may have been cut at the hub's 1 MiB. */
const CUT_LENGTH = 400_000;

/** An exchange that did not bring what was asked for. */
export class EndedError extends Error {
  declare readonly ending: Ending;

  constructor(ending: Ending | string) {
    super(String(ending));
    this.ending = typeof ending === 'string' ? { kind: 'lost', why: ending } : ending;
  }
}

/**
 * One poll (PROTOCOL.md section 5). Its `more` is also there when the answer was as long as it may be, so that more may wait.
 * Rejects when it brings nothing; `endingOf` says why.
 */
export async function poll(
  target: RequestContext,
  request: OpenRequest,
  { types = [], limit, waitSeconds, signal }: PollOptions,
): Promise<PollResponse> {
  const url = eventsUrlOf(target.url, request);
  url.searchParams.set('limit', String(limit));
  for (const type of types) url.searchParams.append('type', type);
  if (waitSeconds === undefined) url.searchParams.set('presence', 'none');
  else url.searchParams.set('wait', String(waitSeconds));
  const response = await sendRequest(target, url, { headers: { Accept: 'application/json' }, signal });
  const text = await response.text();
  const answer = JSON.parse(text) as PollResponse;
  if (!Array.isArray(answer.events)) throw new EndedError('no hub');
  return answer.events.length >= limit || text.length > CUT_LENGTH ? { ...answer, more: true } : answer;
}

/**
 * Does something with the hub, once more with another token if that which there is was refused.
 * @param signal ends the wait for a token; `use` sees to its own
 */
export async function withToken<Result>(
  hub: HubContext,
  signal: AbortSignal,
  use: (target: RequestContext) => Promise<Result>,
  isRetry = false,
): Promise<Result> {
  const token = await unlessAborted(hub.tokens.get(), signal);
  try {
    return await use({ ...hub, token });
  } catch (error) {
    const ending = endingOf(error);
    const shouldRetry =
      !isRetry && ending.kind === 'refused' && refusesToken(ending.problem) && hub.tokens.refuse(token);
    if (!shouldRetry) throw error;
    return withToken(hub, signal, use, true);
  }
}

/** Sends a request, in the name of whoever asks; rejects unless it was answered with 2xx. */
export async function sendRequest(
  { fetch, token }: Pick<RequestContext, 'fetch' | 'token'>,
  url: URL,
  init: RequestInit,
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set('Authorization', `Bearer ${token}`);
  const response = await fetch(url, { cache: 'no-store', ...init, headers });
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (problem === undefined) throw new EndedError(`status ${response.status}`);
  // A date, which only proxies give, is passed over: back-off is patient enough.
  const hintMs = Number(response.headers.get('retry-after')) * 1000 || 0;
  throw new EndedError(refusedEnding(problem, hintMs));
}

/** Where the events of these channels are read. */
export function eventsUrlOf(base: URL, { channels, after, history }: OpenRequest): URL {
  const url = new URL(base);
  for (const channel of channels) url.searchParams.append('channel', channel);
  if (after !== undefined) url.searchParams.set('after', after);
  else if (history !== undefined) url.searchParams.set('history', String(history));
  return url;
}

/** The hub's refusal. In the answer to an operation the time to wait is a member of the problem (PROTOCOL.md section 9.1). */
export function refusedEnding(problem: Problem, hintMs: number = Number(problem['retryAfterMs']) || 0): Ending {
  return { kind: 'refused', problem, hintMs };
}

/** What went wrong, in the words of the machine. */
export function endingOf(error: unknown): Ending {
  return error instanceof EndedError ? error.ending : { kind: 'lost', why: String(error) };
}

/** The problem document of a refusal (PROTOCOL.md section 9.1); undefined for what proxies and others answer. */
async function readProblem(response: Response): Promise<Problem | undefined> {
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  return typeof problem?.retryable === 'boolean' ? problem : undefined;
}
