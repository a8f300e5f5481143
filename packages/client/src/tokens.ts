import { PolycastError, refusal } from './errors.ts';
import { EndedError, refusedWith } from './http.ts';
import type { ConnectOptions, TokenReason } from './options.ts';

/** The connection's credentials, one for all that it asks. */
export interface Tokens {
  /** Told each time that the application's `getToken` has thrown. */
  onError?: (error: PolycastError) => void;
  /** The token that holds; it is asked for when there is none, or it was refused. Rejects with EndedError when it cannot be had. */
  get(): Promise<string | undefined>;
  /** Asks for another one before the present one expires; until it is there, that one goes on. */
  renew(): Promise<void>;
  /** The hub did not take this one. Says whether there is another way to try. */
  refuse(token: string | undefined): boolean;
}

/** However many wait for a token, it is asked for once. */
export function createTokens({ token, getToken }: ConnectOptions): Tokens {
  let current = token;
  let reason: TokenReason | undefined = getToken && 'first';
  let asking: Promise<void> | undefined;

  const tokens: Tokens = {
    async get() {
      if (reason) await ask(reason);
      return current;
    },
    renew: () => ask('expiring'),
    refuse(refused) {
      if (getToken && refused === current) reason = 'refused';
      return getToken !== undefined;
    },
  };
  return tokens;

  function ask(reason: TokenReason): Promise<void> {
    return (asking ??= askOnce(reason).finally(() => (asking = undefined)));
  }

  async function askOnce(why: TokenReason): Promise<void> {
    try {
      current = (await getToken?.({ reason: why })) || undefined;
      reason = undefined;
    } catch (cause) {
      // To the machine it is a hub that cannot find out who asks: it waits longer each time.
      const problem = refusal('identity_unavailable', `getToken: ${cause}`, true);
      tokens.onError?.(new PolycastError(problem, { cause }));
      throw new EndedError(refusedWith(problem));
    }
  }
}
