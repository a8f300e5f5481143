import type { IncomingMessage } from 'node:http';
import { VARY_ORIGIN } from '../headers/cache-headers.ts';
import { OriginList } from './origin-list.ts';

const EXPOSED_HEADERS =
  'ETag, Link, Location, Retry-After, Idempotency-Replayed, Polycast-Type, Preference-Applied, Last-Modified, WWW-Authenticate';
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Polycast-Type, Prefer, Cache-Control, Traceparent, Tracestate';

/**
 * The pages of this machine that are allowed beside the listed origins: none, those of loopback
 * origins, or those and files.
 */
export type LocalPages = 'none' | 'loopback' | 'files';

/**
 * Decides which pages may use the hub, and which of them with their visitor's cookies (PROTOCOL.md
 * section 13.7). Allowed are the hub's own pages, those of the listed origins, and those that
 * `localPages` allows. Pages allowed by `*`, and files, have anonymous access, never with cookies.
 *
 * `http/http-frontend.ts` asks it for every request and every WebSocket upgrade.
 */
export class OriginPolicy {
  #origins: OriginList;
  /** The origins of the hub's own pages. */
  readonly #ownOrigins: string[] = [];
  readonly #localPages: LocalPages;
  readonly #allowedHeaders: string;

  /**
   * @param allowedOrigins `https://shop.example`, `https://*.shop.example`, `*`
   * @param credentialHeaders request headers with credentials, beside the hub's own
   */
  constructor(
    allowedOrigins: readonly string[],
    credentialHeaders: readonly string[] = [],
    localPages: LocalPages = 'none',
  ) {
    this.#origins = new OriginList(allowedOrigins);
    this.#localPages = localPages;
    this.#allowedHeaders = [ALLOWED_HEADERS, ...credentialHeaders].join(', ');
  }

  /** Whether pages of other origins may use the hub at all. */
  get allowsCrossOrigin(): boolean {
    return this.#origins.allowsAny || !this.#origins.isEmpty || this.#localPages !== 'none';
  }

  /** Adds origins of the hub's own pages. */
  add(origins: readonly string[]): void {
    this.#ownOrigins.push(...origins);
    this.#origins.add(origins);
  }

  /** Replaces the allowed origins. The hub's own pages stay allowed. */
  setAllowedOrigins(allowedOrigins: readonly string[]): void {
    this.#origins = new OriginList([...allowedOrigins, ...this.#ownOrigins]);
  }

  /**
   * Whether a request's page is allowed. A request without `Origin` is allowed, unless the browser
   * reports it as cross-site.
   */
  allows({ headers, url, method }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined) return this.#origins.allowsAny || !isCrossSite(headers['sec-fetch-site'], method);
    if (this.#origins.allowsAny || this.#isTrusted(origin) || isSameOrigin(origin, host)) return true;
    return this.#allowsFile(origin, url);
  }

  /** Whether the origin is listed by name, or is a loopback origin that `localPages` allows. */
  #isTrusted(origin: string): boolean {
    return this.#origins.includes(origin) || (this.#localPages !== 'none' && LOOPBACK_ORIGIN.test(origin));
  }

  /**
   * Whether this is a file's request for events. The origin of a file is `null`, like that of a
   * sandboxed frame of any site. Both may use the routes of events alone.
   */
  #allowsFile(origin: string, url = ''): boolean {
    return this.#localPages === 'files' && origin === 'null' && EVENTS_PATH.test(url);
  }

  /**
   * Whether the hub uses a request's cookies: only if the page may act for its visitor. A request
   * that changes something must also be one that a page of another origin cannot send without a
   * preflight.
   */
  allowsCookies({ headers, method }: IncomingMessage): boolean {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    // The browser knows more than the origin shows: another scheme on the same host is another
    // site.
    if (origin !== undefined)
      return this.#isTrusted(origin) || (isSameOrigin(origin, host) && (site === undefined || site === 'same-origin'));
    if (site === 'same-origin') return true;
    if (site !== undefined && site !== 'none') return false;
    return method === 'GET' || method === 'HEAD' || needsPreflight(headers['content-type']);
  }

  /**
   * Whether a page of the hub itself sends the request: never one of a listed origin, even of the
   * same site. Browsers name the origin of every request that changes something.
   */
  isOwnPage({ headers, method }: IncomingMessage): boolean {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    if (origin === undefined) {
      const isRead = method === 'GET' || method === 'HEAD';
      return isRead && (site === undefined || site === 'same-origin' || site === 'none');
    }
    const isOwn = isSameOrigin(origin, host) || this.#ownOrigins.includes(origin);
    return isOwn && (site === undefined || site === 'same-origin');
  }

  /** The headers that let the page read the response to an allowed request; flat pairs. */
  corsHeaders({ headers: { origin }, url }: IncomingMessage): readonly string[] {
    if (origin === undefined) return this.allowsCrossOrigin ? VARY_ORIGIN : NO_HEADERS;
    if (this.#isTrusted(origin))
      return [
        'Access-Control-Allow-Origin',
        origin,
        'Access-Control-Allow-Credentials',
        'true',
        'Access-Control-Expose-Headers',
        EXPOSED_HEADERS,
        ...VARY_ORIGIN,
      ];
    return this.#origins.allowsAny || this.#allowsFile(origin, url) ? ANY_ORIGIN_HEADERS : VARY_ORIGIN;
  }

  /**
   * The headers for the refusal of a page's origin. They let the page read the cause. The refusal
   * is the same for everybody and is made before the caller is identified. No other response to
   * such a page may carry these headers.
   */
  refusalHeaders({ headers: { origin }, method }: IncomingMessage): readonly string[] {
    if (origin === undefined) return VARY_ORIGIN;
    const forThisPage = ['Access-Control-Allow-Origin', origin, ...VARY_ORIGIN];
    // Without this header the browser does not send a request with cookies after a preflight.
    return method === 'OPTIONS' ? forThisPage : [...forThisPage, 'Access-Control-Allow-Credentials', 'true'];
  }

  /** The headers for the response to a preflight. */
  preflightHeaders(request: IncomingMessage, methods: string): readonly string[] {
    if (request.headers['access-control-request-method'] === undefined) return NO_HEADERS;
    return [
      'Access-Control-Allow-Methods',
      methods,
      'Access-Control-Allow-Headers',
      this.#allowedHeaders,
      'Access-Control-Max-Age',
      '7200',
    ];
  }
}

/** Names that every browser resolves to this machine, whatever a name server answers. */
const LOOPBACK_ORIGIN = /^https?:\/\/(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;
/**
 * The routes that read and publish events. No route that makes the hub send requests, or that
 * administers it, matches.
 */
const EVENTS_PATH = /^\/v1\/(?:events|channels\/[^/?]+(?:\/(?:events|history|presence))?)(?:\?|$)/;

/** For responses that are the same for everybody: pages of every origin may read them. */
export const PUBLIC_CORS: readonly string[] = ['Access-Control-Allow-Origin', '*'];

const ANY_ORIGIN_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  EXPOSED_HEADERS,
  ...VARY_ORIGIN,
];
const NO_HEADERS: readonly string[] = [];

/**
 * Whether a page of another site may be changing something without naming its origin. A link or an
 * image of another site only reads.
 */
function isCrossSite(site: string | string[] | undefined, method: string | undefined): boolean {
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
}

/** Whether the origin is that of the hub's own pages. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/**
 * Whether a browser sends a preflight before it sends this content type to another origin. It does
 * so for every media type but those of forms, and not for an absent one.
 */
function needsPreflight(contentType: string | undefined): boolean {
  return (
    contentType !== undefined &&
    !/^\s*(?:text\/plain|multipart\/form-data|application\/x-www-form-urlencoded|$)/i.test(contentType)
  );
}
