import type { PollResponse, Problem } from '@polycast/protocol';
import { unlessAborted } from './sleep.ts';
import type { Ending, OpenRequest } from './machine/state.ts';
import { refusesToken, type PolycastError } from './errors.ts';

/**
 * The reason for a call of `getToken`. `refused`: the last token has expired, was never valid, or
 * was revoked.
 */
export type TokenReason = 'first' | 'expiring' | 'refused';

/** The connection's credentials: one token for all its requests. */
export interface Tokens {
  /** Called each time that the application's `getToken` throws or times out. */
  onError?: (error: PolycastError) => void;
  /**
   * The current token. Calls `getToken` when there is none, or when the hub refused it. Rejects
   * with EndedError when `getToken` fails.
   * @param why `expiring`: asks for another token before the current one expires; until it arrives,
   * the current one stays in use
   */
  get(why?: TokenReason): Promise<string | undefined>;
  /** Reports that the hub refused this token. Returns whether there is a way to get another one. */
  refuse(token: string | undefined): boolean;
}

/** The functions of the platform; the caller can replace each one. */
export interface Platform {
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket | undefined;
}

/** A hub, without credentials for a request. */
export interface HubContext extends Platform {
  /** `…/v1/events` */
  readonly url: URL;
  readonly tokens: Tokens;
}

/** A hub, with the token of a request. */
export interface RequestContext extends HubContext {
  readonly token: string | undefined;
}

/** The options of a poll beside its channels. */
export interface PollOptions {
  readonly types?: readonly string[] | undefined;
  /** 1 to 1000. */
  readonly eventsMax: number;
  /**
   * The time for which the hub may hold the answer, in seconds; 0 for an immediate answer.
   * Undefined: an immediate answer, and the poll does not count as presence (PROTOCOL.md section
   * 13.6). A stream beside it, or the next long poll, counts instead.
   */
  readonly waitSeconds?: number | undefined;
  readonly signal: AbortSignal;
}

/** The parameters of a poll beside those of every stream (PROTOCOL.md section 5). */
export interface PollParameters {
  readonly limit: number;
  readonly type: readonly string[] | undefined;
  readonly wait: number | undefined;
  readonly presence: 'none' | undefined;
}

/** A longer answer may have been cut at the hub's 1 MiB. In characters. */
const CUT_LENGTH = 400_000;

/** The failure of a request or a stream, with its reason. */
export class EndedError extends Error {
  declare readonly ending: Ending;

  constructor(ending: Ending | string) {
    super(String(ending));
    this.ending = typeof ending === 'string' ? { kind: 'lost', why: ending } : ending;
  }
}

/**
 * One poll (PROTOCOL.md section 5). It also sets `more` when the answer has its full length,
 * because more events may wait. Rejects when the poll fails; `endingOf` gives the reason.
 */
export async function poll(
  target: RequestContext,
  request: OpenRequest,
  { types, eventsMax, waitSeconds, signal }: PollOptions,
): Promise<PollResponse> {
  const url = eventsUrlOf(target.url, request, {
    limit: eventsMax,
    type: types,
    wait: waitSeconds,
    presence: waitSeconds === undefined ? 'none' : undefined,
  });
  const response = await sendRequest(target, url, { headers: { Accept: 'application/json' }, signal });
  const text = await response.text();
  const answer = JSON.parse(text) as PollResponse;
  if (!Array.isArray(answer.events)) throw new EndedError('no hub');
  return answer.events.length >= eventsMax || text.length > CUT_LENGTH ? { ...answer, more: true } : answer;
}

/**
 * Calls `use` with the current token, and once more with another one if the hub refused the first.
 * @param signal ends the wait for a token; `use` handles its own abort
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

/** Sends a request with the token; rejects unless the status is 2xx. */
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
  if (!problem) throw new EndedError(`status ${response.status}`);
  // A date, which only proxies send, is ignored: the backoff is enough.
  const hintMs = Number(response.headers.get('retry-after')) * 1000 || 0;
  throw new EndedError(refusedEnding(problem, hintMs));
}

/**
 * The URL at which a client reads the events of these channels, with further parameters. Each item
 * of a list is a parameter of its own.
 */
export function eventsUrlOf(base: URL, { channels, after, history }: OpenRequest, more?: PollParameters): URL {
  const url = new URL(base);
  const parameters = { channel: channels, after, history: after === undefined ? history : undefined, ...more };
  for (const [name, values] of Object.entries<unknown>(parameters))
    for (const value of [values ?? []].flat()) url.searchParams.append(name, String(value));
  return url;
}

/**
 * Makes the ending of a refusal. In the answer to an operation the wait is a member of the problem
 * (PROTOCOL.md section 9.1).
 */
export function refusedEnding(problem: Problem, hintMs: number = Number(problem['retryAfterMs']) || 0): Ending {
  return { kind: 'refused', problem, hintMs };
}

/** Converts an error to the machine's reason for the end of a transport. */
export function endingOf(error: unknown): Ending {
  return error instanceof EndedError ? error.ending : { kind: 'lost', why: String(error) };
}

/**
 * The problem document of a refusal (PROTOCOL.md section 9.1); undefined for answers of proxies and
 * other servers.
 */
async function readProblem(response: Response): Promise<Problem | undefined> {
  const problem = (await response.json().catch(() => undefined)) as Problem | undefined;
  return typeof problem?.retryable === 'boolean' ? problem : undefined;
}
