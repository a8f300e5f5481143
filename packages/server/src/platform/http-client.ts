import type * as Undici from 'undici';

let loaded: typeof Undici | undefined;

/**
 * Loads the HTTP client for outgoing requests, before the first one. It takes some 25 MB of memory,
 * and many hubs send none.
 */
export async function loadHttpClient(): Promise<typeof Undici> {
  return (loaded ??= await import('undici'));
}

/** The HTTP client, once `loadHttpClient` has resolved. */
export function httpClient(): typeof Undici {
  if (loaded === undefined) throw new Error('the HTTP client has not been loaded');
  return loaded;
}

export function isHttpClientLoaded(): boolean {
  return loaded !== undefined;
}
