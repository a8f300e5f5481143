import { PolycastError, clientProblem } from '../errors.ts';
import { EndedError, refusedEnding } from '../http.ts';
import type { ConnectOptions, TokenReason } from './options.ts';
import { unlessAborted } from '../sleep.ts';

/** The connection's credentials, one for all that it asks. */
export interface Tokens {
  /** Told each time that the application's `getToken` has thrown, or has given nothing in time. */
  onError?: (error: PolycastError) => void;
  /**
   * The token that holds; it is asked for when there is none, or it was refused. Rejects with EndedError when it cannot be had.
   * @param why `expiring`: to ask for another one before the present one expires; until it is there, that one goes on
   */
  get(why?: TokenReason): Promise<string | undefined>;
  /** The hub did not take this one. Says whether there is another way to try. */
  refuse(token: string | undefined): boolean;
}

const TOKEN_TIMEOUT_MS = 10_000;

/** However many wait for a token, it is asked for once. */
export function createTokens({ token, getToken, tokenTimeoutMs = TOKEN_TIMEOUT_MS }: ConnectOptions): Tokens {
  let current = token;
  let reason: TokenReason | undefined = getToken && 'first';
  let pendingRequest: Promise<void> | undefined;

  const tokens: Tokens = {
    async get(why = reason) {
      if (why) await (pendingRequest ??= requestToken(why).finally(() => (pendingRequest = undefined)));
      return current;
    },
    refuse(refused) {
      if (getToken && refused === current) reason = 'refused';
      return getToken !== undefined;
    },
  };
  return tokens;

  async function requestToken(why: TokenReason): Promise<void> {
    const signal = AbortSignal.timeout(tokenTimeoutMs);
    try {
      current = (await unlessAborted(getToken?.({ reason: why, signal }), signal)) || undefined;
      reason = undefined;
    } catch (cause) {
      // To the machine it is a hub that cannot find out who asks: it waits longer each time.
      const problem = clientProblem('identity_unavailable', `getToken: ${cause}`, true);
      tokens.onError?.(new PolycastError(problem, { cause }));
      throw new EndedError(refusedEnding(problem));
    }
  }
}
