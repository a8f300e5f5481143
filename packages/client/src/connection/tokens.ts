import { PolycastError, clientProblem } from '../errors.ts';
import { EndedError, refusedEnding, type TokenReason, type Tokens } from '../http.ts';
import type { ConnectOptions } from './options.ts';
import { unlessAborted } from '../sleep.ts';

const TOKEN_TIMEOUT_MS = 10_000;

/** All callers that wait for a token share one call of `getToken`. */
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
      return Boolean(getToken);
    },
  };
  return tokens;

  async function requestToken(why: TokenReason): Promise<void> {
    const signal = AbortSignal.timeout(tokenTimeoutMs);
    try {
      current = (await unlessAborted(getToken?.({ reason: why, signal }), signal)) || undefined;
      reason = undefined;
    } catch (cause) {
      // The machine sees it as a hub that cannot identify the client: it waits longer each time.
      const problem = clientProblem('identity_unavailable', `getToken: ${cause}`, true);
      tokens.onError?.(new PolycastError(problem, { cause }));
      throw new EndedError(refusedEnding(problem));
    }
  }
}
