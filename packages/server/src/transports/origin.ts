import type { IncomingMessage } from 'node:http';

const EXPOSED =
  'ETag, Link, Location, Retry-After, Idempotency-Replayed, Polycast-Type, Preference-Applied, Last-Modified';
const ALLOWED_HEADERS =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Polycast-Type, Prefer, Cache-Control';

/** Which pages may use the hub (PROTOCOL.md section 12.2): those it serves itself, and those of the configured origins. */
export class Origins {
  readonly #allowed: Set<string>;
  readonly #any: boolean;

  constructor(allowedOrigins: readonly string[]) {
    this.#allowed = new Set(allowedOrigins);
    this.#any = this.#allowed.has('*');
  }

  /** Whether pages of other origins may use the hub at all. */
  get areSome(): boolean {
    return this.#any || this.#allowed.size > 0;
  }

  add(origins: readonly string[]): void {
    for (const origin of origins) this.#allowed.add(origin);
  }

  /** A request that names no origin is not a page's, and is allowed. */
  allows(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined || this.#any || this.#allowed.has(origin)) return true;
    return host !== undefined && hostOf(origin) === host.toLowerCase();
  }

  /** What the answer carries so that the page may read it; flat pairs. */
  headers(request: IncomingMessage): readonly string[] {
    const { origin } = request.headers;
    if (origin === undefined) return this.#any || this.#allowed.size > 0 ? VARY : NONE;
    if (!this.#any && !this.#allowed.has(origin)) return VARY;
    return [
      'Access-Control-Allow-Origin',
      this.#any ? '*' : origin,
      'Access-Control-Expose-Headers',
      EXPOSED,
      ...(this.#any ? NONE : VARY),
    ];
  }

  /** What the answer to a preflight carries. */
  preflight(request: IncomingMessage, methods: string): readonly string[] {
    if (request.headers['access-control-request-method'] === undefined) return NONE;
    return [
      'Access-Control-Allow-Methods',
      methods,
      'Access-Control-Allow-Headers',
      ALLOWED_HEADERS,
      'Access-Control-Max-Age',
      '7200',
    ];
  }
}

const VARY: readonly string[] = ['Vary', 'Origin'];
const NONE: readonly string[] = [];

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : '';
}
