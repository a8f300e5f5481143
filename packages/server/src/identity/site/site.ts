import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import type { SiteSettings } from '../../core/access/identity-settings.ts';
import type { Clock } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import { DENY_ALL, type ChannelAuthorizer, type Identifier } from '../authority.ts';
import { parseChannelAnswer, parseLoginAnswer, type AnswerTiming } from './site-answers.ts';
import { SiteChannelAuthorizer, type ChannelRequest } from './channel-authorizer.ts';
import { SiteLookup, type SiteLookupStats, type SiteLookupParts, type SiteLookupSettings } from './site-lookup.ts';
import { SiteLogin, type LoginRequest } from './login.ts';
import { SiteClient } from './site-client.ts';
import { SiteFailure } from './site-failure.ts';

export interface SiteParts {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly chance: () => number;
  readonly logger: SiteLogger;
}

export interface SiteLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** The site's login, and its decisions on channels. */
export interface Site {
  /** Empty without a `loginUrl`. */
  readonly identifiers: readonly Identifier[];
  readonly channelAuthorizer: ChannelAuthorizer;
  /** The waiting questions of each URL, by its name in the metrics. */
  readonly held: Readonly<Record<string, MemoryUsage>>;
  /** The sums of both URLs. */
  readonly stats: Readonly<SiteLookupStats> & { readonly isFailing: boolean };
  /**
   * Ends the questions in flight. Waiting questions fail with `identity_unavailable`, unless a
   * cached answer is in its grace.
   */
  close(): Promise<void>;
}

/**
 * Creates the login and the channel authorizer. Each URL has its own connections, cache and
 * breaker.
 */
export function createSite(settings: SiteSettings, parts: SiteParts): Site {
  const { loginUrl, consentUrl } = settings;
  const loginEndpoint = loginUrl === null ? undefined : createLoginEndpoint(loginUrl, settings, parts);
  const channelEndpoint = consentUrl === null ? undefined : createChannelEndpoint(consentUrl, settings, parts);
  const all = [loginEndpoint, channelEndpoint].filter((each) => each !== undefined);
  return {
    identifiers:
      loginEndpoint === undefined
        ? []
        : [
            new SiteLogin(loginEndpoint.lookup, {
              ...settings,
              headers: settings.headers.map((name) => name.toLowerCase()),
            }),
          ],
    channelAuthorizer: channelEndpoint === undefined ? DENY_ALL : new SiteChannelAuthorizer(channelEndpoint.lookup),
    held: {
      ...(loginEndpoint !== undefined && { site_logins: loginEndpoint.lookup.waiting }),
      ...(channelEndpoint !== undefined && { site_consents: channelEndpoint.lookup.waiting }),
    },
    get stats() {
      const sum = (name: keyof SiteLookupStats): number =>
        all.reduce((total, { lookup }) => total + lookup.stats[name], 0);
      return {
        asked: sum('asked'),
        failed: sum('failed'),
        graced: sum('graced'),
        unavailable: sum('unavailable'),
        isFailing: all.some(({ lookup }) => lookup.isFailing),
      };
    },
    async close() {
      for (const { lookup } of all) lookup.close();
      await Promise.all(all.map(({ client }) => client.close()));
    },
  };
}

interface SiteEndpoint<Value extends NonNullable<unknown>> {
  readonly lookup: SiteLookup<Value>;
  readonly client: SiteClient;
}

function createLoginEndpoint(url: string, settings: SiteSettings, parts: SiteParts): SiteEndpoint<Principal> {
  const client = createClient(url, settings);
  const lookup = new SiteLookup<Principal>(
    {
      async send(body, askedMs) {
        const { status, text } = await client.post(body, forwardedHeaders(JSON.parse(body) as LoginRequest));
        const isNobody = status === 401 || status === 403;
        if (status !== 200 && !isNobody) throw unexpectedStatus(status);
        return parseLoginAnswer(isNobody ? undefined : text, timingOf(parts, askedMs), lifetimesOf(settings));
      },
      extend: (principal, expiresMs) => ({ ...principal, expiresMs }),
      ...logCallbacks(parts, url),
      clock: parts.clock,
      chance: parts.chance,
    },
    lookupSettings(settings),
  );
  return { lookup, client };
}

function createChannelEndpoint(url: string, settings: SiteSettings, parts: SiteParts): SiteEndpoint<boolean> {
  const client = createClient(url, settings);
  const lookup = new SiteLookup<boolean>(
    {
      async send(body, askedMs) {
        const { status, text } = await client.post(body, {});
        if (status !== 200) throw unexpectedStatus(status);
        const { user } = JSON.parse(body) as ChannelRequest;
        return parseChannelAnswer(text, user, timingOf(parts, askedMs), lifetimesOf(settings));
      },
      extend: (isAllowed) => isAllowed,
      ...logCallbacks(parts, url),
      clock: parts.clock,
      chance: parts.chance,
    },
    lookupSettings(settings),
  );
  return { lookup, client };
}

function unexpectedStatus(status: number): SiteFailure {
  return new SiteFailure(
    `it answered with status ${status}`,
    REQUEST_FAULT_STATUSES.has(status) ? 'question' : 'either',
  );
}

/** Statuses that blame the request: malformed, too large, too long. */
const REQUEST_FAULT_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 422, 431]);

/**
 * The question carries the user's own cookies and headers. So the site's usual login check works on
 * it.
 */
function forwardedHeaders({ cookies, headers }: LoginRequest): Record<string, string> {
  const cookie = Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
  const all = cookie === '' ? headers : { ...headers, cookie };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => IS_HEADER_VALUE.test(value)));
}

/**
 * The characters of a header value (RFC 9110 section 5.5). A value that HTTP/1.1 cannot carry is
 * not sent.
 */
const IS_HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function createClient(url: string, { secret, timeoutMs, concurrentMax }: SiteSettings): SiteClient {
  return new SiteClient({ url, secret: secret ?? undefined, timeoutMs, concurrentMax });
}

function timingOf({ clock, chance }: SiteParts, askedMs: number): AnswerTiming {
  return { askedMs, answeredMs: clock.nowMs(), chance: chance() };
}

function lifetimesOf({ ttlSecondsMax, refusalSeconds }: SiteSettings): { ttlMsMax: number; refusalMs: number } {
  return { ttlMsMax: ttlSecondsMax * 1000, refusalMs: refusalSeconds * 1000 };
}

function lookupSettings(settings: SiteSettings): SiteLookupSettings {
  return { ...settings, graceMs: settings.graceSeconds * 1000, retryAfterMs: settings.retryAfterSeconds * 1000 };
}

/** Logs each change of the breaker, and at most one other failure a minute. */
function logCallbacks(
  { logger, clock }: SiteParts,
  url: string,
): Pick<SiteLookupParts<never>, 'onBreakerChange' | 'onFailure'> {
  const { origin, pathname } = new URL(url);
  const fields = { url: origin + pathname };
  let lastLoggedMs = -Infinity;
  return {
    onBreakerChange(breaker, error) {
      if (breaker === 'closed') return logger.info(fields, 'identity site: requests succeed again');
      const message = 'identity site: requests fail, paused; cached answers stay valid for the grace period';
      logger.warn({ ...fields, failure: failureText(error) }, message);
    },
    onFailure(error) {
      const nowMs = clock.monotonicMs();
      if (nowMs - lastLoggedMs < FAILURE_LOG_INTERVAL_MS) return;
      lastLoggedMs = nowMs;
      logger.warn({ ...fields, failure: failureText(error) }, 'identity site: request failed');
    },
  };
}

const FAILURE_LOG_INTERVAL_MS = 60_000;

function failureText(error: unknown): string {
  return error instanceof SiteFailure ? error.message : String(error);
}
