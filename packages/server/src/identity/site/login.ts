import { PolycastError } from '@polycast/protocol';
import { addressKey } from '../../core/primitives/address-key.ts';
import type { Credentials } from '../../core/access/authority.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Identifier } from '../authority.ts';
import { lookupKey } from './answer-cache.ts';
import type { SiteLookup } from './site-lookup.ts';

export interface LoginSettings {
  readonly cookies: readonly string[];
  /** Names in lower case. */
  readonly headers: readonly string[];
  readonly perAddress: boolean;
}

/** A question: its body, and the key that equal questions share (`lookupKey`). */
interface LookupRequest {
  readonly key: string;
  readonly body: string;
}

/**
 * The body of a question (PROTOCOL.md section 13.3). Example:
 * `{"cookies":{"session":"…"},"headers":{},"address":"203.0.113.7","origin":null}`.
 */
export interface LoginRequest {
  readonly cookies: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
  readonly origin: string | null;
}

/**
 * Identifies a user by a question to the site. The question contains the configured cookies and
 * headers of the request.
 */
export class SiteLogin implements Identifier {
  readonly #lookup: SiteLookup<Principal>;
  readonly #settings: LoginSettings;
  /**
   * The question that identified a principal, while the principal is in use. `renew` asks it again.
   */
  readonly #requests = new WeakMap<Principal, LookupRequest>();

  constructor(lookup: SiteLookup<Principal>, settings: LoginSettings) {
    this.#lookup = lookup;
    this.#settings = settings;
  }

  identify(credentials: Credentials): Principal | Promise<Principal> | undefined {
    const credentialText = this.#credentialText(credentials);
    if (credentialText === undefined) return undefined;
    const key = lookupKey(credentialText);
    let body: string | undefined;
    const compose = (): string => (body ??= this.#requestBody(credentials));
    const answer = this.#lookup.ask(key, compose, () => addressKey(credentials.address));
    const hasToken = credentials.token !== undefined;
    if (!(answer instanceof Promise)) return this.#rememberRequest(answer, key, compose, hasToken);
    return answer.then((principal) => this.#rememberRequest(principal, key, compose, hasToken));
  }

  renew(principal: Principal): Promise<Principal> | undefined {
    const request = this.#requests.get(principal);
    if (request === undefined) return undefined;
    return this.#renewed(principal, request);
  }

  forget(user: string): void {
    this.#lookup.forget(user);
  }

  async #renewed(principal: Principal, { key, body }: LookupRequest): Promise<Principal> {
    const renewed = await this.#lookup.renew(key, () => body, principal.expiresMs);
    // The user logged out, or another user logged in. The session was opened for the first one.
    if (renewed.user !== principal.user) throw new PolycastError('unauthorized', 'The site no longer knows this user.');
    return this.#rememberRequest(renewed, key, () => body, false);
  }

  #rememberRequest(principal: Principal, key: string, compose: () => string, hasToken: boolean): Principal {
    if (principal.kind === 'anonymous') {
      if (hasToken) throw new PolycastError('unauthorized', 'The site does not know these credentials.');
    } else if (!this.#requests.has(principal)) this.#requests.set(principal, { key, body: compose() });
    return principal;
  }

  /**
   * Joins all values that the site decides by into one text. Returns `undefined` if there are none,
   * or if the request has a token that is not for the site.
   */
  #credentialText(credentials: Credentials): string | undefined {
    const { cookies, headers, perAddress } = this.#settings;
    let text = '';
    let hasCredentials = false;
    for (const name of cookies) {
      const value = credentials.cookie(name);
      if (value !== undefined) hasCredentials = checkLength(value, COOKIE_LENGTH_MAX);
      // Cookies and headers cannot contain line breaks, so two different lists never give the same
      // text.
      text += value === undefined ? '\n' : `=${value}\n`;
    }
    let isTokenIncluded = false;
    for (const name of headers) {
      const value = headerOf(credentials, name);
      if (value !== undefined) hasCredentials = checkLength(value, HEADER_LENGTH_MAX);
      if (value !== undefined && name === 'authorization') isTokenIncluded = true;
      text += value === undefined ? '\n' : `=${value}\n`;
    }
    if (!hasCredentials || (credentials.token !== undefined && !isTokenIncluded)) return undefined;
    return perAddress ? text + credentials.address : text;
  }

  #requestBody(credentials: Credentials): string {
    const { cookies, headers } = this.#settings;
    const request: LoginRequest = {
      cookies: collect(cookies, (name) => credentials.cookie(name)),
      headers: collect(headers, (name) => headerOf(credentials, name)),
      address: credentials.address,
      origin: credentials.origin ?? null,
    };
    return JSON.stringify(request);
  }
}

/**
 * Browsers support cookies of this size (RFC 6265 section 6.1), and servers usually accept such
 * headers. A longer value would make the site look as if it failed.
 */
const COOKIE_LENGTH_MAX = 4096;
const HEADER_LENGTH_MAX = 6144;

function checkLength(value: string, lengthMax: number): true {
  if (value.length <= lengthMax) return true;
  throw new PolycastError('unauthorized', `A cookie or header for the site is longer than ${lengthMax} characters.`);
}

/**
 * Returns a header, unless it is an `authorization` that a browser adds by itself: Basic, Digest,
 * Negotiate or NTLM. Like a cookie, it does not prove the visitor's intent, and this path does not
 * check the origin.
 */
function headerOf(credentials: Credentials, name: string): string | undefined {
  const value = credentials.header(name);
  if (value === undefined || name !== 'authorization' || !/^(?:basic|digest|negotiate|ntlm)\b/i.test(value))
    return value;
  const isFromBrowser = credentials.origin !== undefined || credentials.header('sec-fetch-site') !== undefined;
  return isFromBrowser ? undefined : value;
}

function collect(names: readonly string[], valueOf: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = valueOf(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
