import type { IncomingMessage } from 'node:http';
import { OriginList } from './origin-list.ts';

const EXPOSED =
  'ETag, Link, Location, Retry-After, Idempotency-Replayed, Polycast-Type, Preference-Applied, Last-Modified';
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Polycast-Type, Prefer, Cache-Control';

/**
 * Which pages may use the hub, and which of them with their visitor's cookies (PROTOCOL.md section 13.7): those that it serves
 * itself, and those of the listed origins. Pages of `*` may use it as anybody may, and never with cookies.
 */
export class Origins {
  readonly #listed: OriginList;
  readonly #allowedHeaders: string;

  /**
   * @param allowedOrigins `https://shop.example`, `https://*.shop.example`, `*`
   * @param alsoHeaders request headers, beside the hub's own, by which pages may say who they are
   */
  constructor(allowedOrigins: readonly string[], alsoHeaders: readonly string[] = []) {
    this.#listed = new OriginList(allowedOrigins);
    this.#allowedHeaders = [ALLOWED_HEADERS, ...alsoHeaders].join(', ');
  }

  /** Whether pages of other origins may use the hub at all. */
  get areSome(): boolean {
    return this.#listed.isAny || !this.#listed.isEmpty;
  }

  add(origins: readonly string[]): void {
    this.#listed.add(origins);
  }

  /** A request that names no origin is not a page's of another one, and is allowed. */
  allows(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    return origin === undefined || this.#listed.isAny || this.#listed.names(origin) || isOwn(origin, host);
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
      return this.#listed.names(origin) || (isOwn(origin, host) && (site === undefined || site === 'same-origin'));
    if (site === 'same-origin') return true;
    if (site !== undefined && site !== 'none') return false;
    return method === 'GET' || method === 'HEAD' || asksFirst(headers['content-type']);
  }

  /** What the answer carries so that the page may read it; flat pairs. */
  headers(request: IncomingMessage): readonly string[] {
    const { origin } = request.headers;
    if (origin === undefined) return this.areSome ? VARY : NONE;
    if (this.#listed.names(origin))
      return [
        'Access-Control-Allow-Origin',
        origin,
        'Access-Control-Allow-Credentials',
        'true',
        'Access-Control-Expose-Headers',
        EXPOSED,
        ...VARY,
      ];
    return this.#listed.isAny ? TO_ANY : VARY;
  }

  /** What the answer to a preflight carries. */
  preflight(request: IncomingMessage, methods: string): readonly string[] {
    if (request.headers['access-control-request-method'] === undefined) return NONE;
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

const VARY: readonly string[] = ['Vary', 'Origin'];
const TO_ANY: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  EXPOSED,
  ...VARY,
];
const NONE: readonly string[] = [];

/** Whether a page of the hub's own address says so. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** Whether a browser asks before it sends this to another origin: every media type but those of forms, and none at all. */
function asksFirst(contentType: string | undefined): boolean {
  return (
    contentType !== undefined &&
    !/^\s*(?:text\/plain|multipart\/form-data|application\/x-www-form-urlencoded|$)/i.test(contentType)
  );
}
