import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../core/access/authority.ts';
import { clientAddress } from '../http/client-address.ts';
import { headerValue } from '../http/headers/header-value.ts';
import type { AuthParts } from './auth-parts.ts';

/**
 * The credentials of a request: token, cookies and headers. Each is read only when the authority
 * asks for it.
 */
export class RequestCredentials implements Credentials {
  readonly #parts: AuthParts;
  readonly #request: IncomingMessage;
  readonly #queryToken: string | undefined;

  /** @param queryToken the value of `?token=` */
  constructor(parts: AuthParts, request: IncomingMessage, queryToken: string | undefined) {
    this.#parts = parts;
    this.#request = request;
    this.#queryToken = queryToken;
  }

  get token(): string | undefined {
    const { tokenCookie } = this.#parts.settings;
    return (
      bearerToken(this.#request.headers.authorization) ??
      this.#queryToken ??
      (tokenCookie === undefined ? undefined : this.cookie(tokenCookie))
    );
  }

  /**
   * The value of a cookie, if the page may use its visitor's cookies. Browsers also send cookies
   * with requests that pages of other sites make.
   */
  cookie(name: string): string | undefined {
    const { cookie } = this.#request.headers;
    if (cookie === undefined || !this.#parts.originPolicy.allowsCookies(this.#request)) return undefined;
    return cookieValue(cookie, name);
  }

  /** `undefined` also beside a token in the request itself: that one identifies the caller. */
  ownCookie(name: string): string | undefined {
    const { cookie, authorization } = this.#request.headers;
    if (cookie === undefined || authorization !== undefined || this.#queryToken !== undefined) return undefined;
    return this.#parts.originPolicy.isOwnPage(this.#request) ? cookieValue(cookie, name) : undefined;
  }

  header(name: string): string | undefined {
    return headerValue(this.#request, name);
  }

  get origin(): string | undefined {
    return this.#request.headers.origin;
  }

  get address(): string {
    return clientAddress(this.#parts, this.#request);
  }
}

/** The credentials of an `auth` message on a WebSocket: a token and nothing else. */
export function messageCredentials(token: string, address: string): Credentials {
  return { token, cookie: () => undefined, header: () => undefined, origin: undefined, address };
}

/** The first cookie of a name (RFC 6265 section 5.4). */
function cookieValue(header: string, name: string): string | undefined {
  let equals = -1;
  for (let start = 0, end = 0; start < header.length; start = end + 1) {
    end = header.indexOf(';', start);
    if (end < 0) end = header.length;
    // One search for each `=`, however many pairs have none.
    if (equals < start) equals = header.indexOf('=', start);
    if (equals < 0) return undefined;
    if (equals > start && equals < end && header.slice(start, equals).trim() === name)
      return header.slice(equals + 1, end).trim();
  }
  return undefined;
}

export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined;
}
