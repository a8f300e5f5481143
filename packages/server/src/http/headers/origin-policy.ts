import type { IncomingMessage } from 'node:http';
import { VARY_ORIGIN } from './cache-headers.ts';
import { OriginList } from './origin-list.ts';

const EXPOSED_HEADERS =
  'ETag, Link, Location, Retry-After, Idempotency-Replayed, Polycast-Type, Preference-Applied, Last-Modified, WWW-Authenticate';
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Polycast-Type, Prefer, Cache-Control';

/** Pages of the same machine that are allowed beside the listed ones: none, those of loopback origins, or files as well. */
export type LocalPages = 'none' | 'loopback' | 'files';

/**
 * Which pages may use the hub, and which of them with their visitor's cookies (PROTOCOL.md section 13.7): those that it serves
 * itself, those of the listed origins, and, where `localPages` says so, those of the same machine. Pages of `*` and files may use it
 * as anybody may, and never with cookies.
 */
export class OriginPolicy {
  readonly #origins: OriginList;
  readonly #localPages: LocalPages;
  readonly #allowedHeaders: string;

  /**
   * @param allowedOrigins `https://shop.example`, `https://*.shop.example`, `*`
   * @param credentialHeaders request headers, beside the hub's own, by which pages may say who they are
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

  add(origins: readonly string[]): void {
    this.#origins.add(origins);
  }

  /** A request that names no origin is not a page's of another one, and is allowed, unless the browser says that it is. */
  allows({ headers, url, method }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined) return this.#origins.allowsAny || !isCrossSite(headers['sec-fetch-site'], method);
    if (this.#origins.allowsAny || this.#isTrusted(origin) || isSameOrigin(origin, host)) return true;
    return this.#allowsFile(origin, url);
  }

  /** Whether it is listed by name, or of this machine where that is as good. */
  #isTrusted(origin: string): boolean {
    return this.#origins.includes(origin) || (this.#localPages !== 'none' && LOOPBACK_ORIGIN.test(origin));
  }

  /** The origin of a file is `null`, and so is that of a sandboxed frame of any site: what both may do is events, and nothing else. */
  #allowsFile(origin: string, url = ''): boolean {
    return this.#localPages === 'files' && origin === 'null' && EVENTS_PATH.test(url);
  }

  /**
   * Whether a request's cookies speak for its sender: only where the page that sends it may speak for its visitor. What changes
   * something must besides be such as no page of another origin can send unasked.
   */
  allowsCookies({ headers, method }: IncomingMessage): boolean {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    // An origin does not say all of itself where the browser knows better: another scheme on the same host is another site.
    if (origin !== undefined)
      return this.#isTrusted(origin) || (isSameOrigin(origin, host) && (site === undefined || site === 'same-origin'));
    if (site === 'same-origin') return true;
    if (site !== undefined && site !== 'none') return false;
    return method === 'GET' || method === 'HEAD' || needsPreflight(headers['content-type']);
  }

  /** What the answer to a request that is allowed carries so that the page may read it; flat pairs. */
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
   * What the refusal of a page's origin carries. The page may read it, to name the cause: it is the same for everybody, and made
   * before anyone is asked who sends it. Nothing else that is sent to such a page may carry these.
   */
  refusalHeaders({ headers: { origin }, method }: IncomingMessage): readonly string[] {
    if (origin === undefined) return VARY_ORIGIN;
    const forThisPage = ['Access-Control-Allow-Origin', origin, ...VARY_ORIGIN];
    // A request with cookies that the browser asks about first stays at home.
    return method === 'OPTIONS' ? forThisPage : [...forThisPage, 'Access-Control-Allow-Credentials', 'true'];
  }

  /** What the answer to a preflight carries. */
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

/** Names that every browser takes for this machine, whatever a name server says. */
const LOOPBACK_ORIGIN = /^https?:\/\/(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;
/** Reading and publishing events, and no route that makes the hub send requests, or that administers it. */
const EVENTS_PATH = /^\/v1\/(?:events|channels\/[^/?]+(?:\/(?:events|history|presence))?)(?:\?|$)/;

/** Pages of every origin may read it: what everybody gets, whoever they are. */
export const PUBLIC_CORS: readonly string[] = ['Access-Control-Allow-Origin', '*'];

const ANY_ORIGIN_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  EXPOSED_HEADERS,
  ...VARY_ORIGIN,
];
const NO_HEADERS: readonly string[] = [];

/** A link, or an image, of another site only reads; what changes something would be a page's that hides where it is from. */
function isCrossSite(site: string | string[] | undefined, method: string | undefined): boolean {
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
}

/** Whether a page of the hub's own address says so. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** Whether a browser asks before it sends this to another origin: every media type but those of forms, and none at all. */
function needsPreflight(contentType: string | undefined): boolean {
  return (
    contentType !== undefined &&
    !/^\s*(?:text\/plain|multipart\/form-data|application\/x-www-form-urlencoded|$)/i.test(contentType)
  );
}
