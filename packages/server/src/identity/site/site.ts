import type { Held } from '../../core/byte-budget.ts';
import type { SiteSettings } from '../../core/identity-settings.ts';
import type { Clock } from '../../core/ports.ts';
import type { Principal } from '../../core/principal.ts';
import { NO_CONSENT, type Consent, type Identifier } from '../authority.ts';
import { readConsent, readLogin, type Asked } from './answers.ts';
import { SiteConsent, type ConsentQuestion } from './consent.ts';
import { Inquiry, type InquiryFigures, type InquiryParts, type InquirySettings } from './inquiry.ts';
import { SiteLogin, type LoginQuestion } from './login.ts';
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

/** The site's own login, and its word on channels. */
export interface Site {
  /** None where there is no `loginUrl`. */
  readonly identifiers: readonly Identifier[];
  readonly consent: Consent;
  /** The questions that wait at each URL, by its name in the metrics. */
  readonly held: Readonly<Record<string, Held>>;
  /** Of both URLs together. */
  readonly figures: Readonly<InquiryFigures> & { readonly isFailing: boolean };
  /** Ends what is under way; the questions that wait are `identity_unavailable`. */
  close(): Promise<void>;
}

/** Puts together what asks the site. Each URL has connections, a cache and a breaker of its own. */
export function createSite(settings: SiteSettings, parts: SiteParts): Site {
  const { loginUrl, consentUrl } = settings;
  const login = loginUrl === null ? undefined : loginTo(loginUrl, settings, parts);
  const consent = consentUrl === null ? undefined : consentOf(consentUrl, settings, parts);
  const all = [login, consent].filter((each) => each !== undefined);
  return {
    identifiers:
      login === undefined
        ? []
        : [new SiteLogin(login.inquiry, { ...settings, headers: settings.headers.map((name) => name.toLowerCase()) })],
    consent: consent === undefined ? NO_CONSENT : new SiteConsent(consent.inquiry),
    held: {
      ...(login !== undefined && { site_logins: login.inquiry.waiting }),
      ...(consent !== undefined && { site_consents: consent.inquiry.waiting }),
    },
    get figures() {
      const sum = (name: keyof InquiryFigures): number =>
        all.reduce((total, { inquiry }) => total + inquiry.figures[name], 0);
      return {
        asked: sum('asked'),
        failed: sum('failed'),
        graced: sum('graced'),
        unavailable: sum('unavailable'),
        isFailing: all.some(({ inquiry }) => inquiry.isFailing),
      };
    },
    async close() {
      for (const { inquiry } of all) inquiry.close();
      await Promise.all(all.map(({ client }) => client.close()));
    },
  };
}

interface Asking<Value extends NonNullable<unknown>> {
  readonly inquiry: Inquiry<Value>;
  readonly client: SiteClient;
}

function loginTo(url: string, settings: SiteSettings, parts: SiteParts): Asking<Principal> {
  const client = clientOf(url, settings);
  const inquiry = new Inquiry<Principal>(
    {
      async send(body, askedMs) {
        const { status, text } = await client.post(body, shownAsThemselves(JSON.parse(body) as LoginQuestion));
        const isNobody = status === 401 || status === 403;
        if (status !== 200 && !isNobody) throw unexpected(status);
        return readLogin(isNobody ? undefined : text, askedBy(parts, askedMs), timesOf(settings));
      },
      extend: (principal, expiresMs) => ({ ...principal, expiresMs }),
      ...reportsOf(parts, url),
      clock: parts.clock,
      chance: parts.chance,
    },
    inquirySettings(settings),
  );
  return { inquiry, client };
}

function consentOf(url: string, settings: SiteSettings, parts: SiteParts): Asking<boolean> {
  const client = clientOf(url, settings);
  const inquiry = new Inquiry<boolean>(
    {
      async send(body, askedMs) {
        const { status, text } = await client.post(body, {});
        if (status !== 200) throw unexpected(status);
        const { user } = JSON.parse(body) as ConsentQuestion;
        return readConsent(text, user, askedBy(parts, askedMs), timesOf(settings));
      },
      extend: (isAllowed) => isAllowed,
      ...reportsOf(parts, url),
      clock: parts.clock,
      chance: parts.chance,
    },
    inquirySettings(settings),
  );
  return { inquiry, client };
}

function unexpected(status: number): SiteFailure {
  return new SiteFailure(`it answered ${status}`, OF_THE_QUESTION.has(status) ? 'question' : 'either');
}

/** Not readable, too large, too long. */
const OF_THE_QUESTION: ReadonlySet<number> = new Set([400, 413, 414, 422, 431]);

/** The site's own way of finding out who is logged in works on the hub's question as on any request of the user's. */
function shownAsThemselves({ cookies, headers }: LoginQuestion): Record<string, string> {
  const cookie = Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
  const all = cookie === '' ? headers : { ...headers, cookie };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => IS_HEADER_VALUE.test(value)));
}

/** As RFC 9110 section 5.5 has it; what no request could have brought here by HTTP/1.1 does not go out by it. */
const IS_HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function clientOf(url: string, { secret, timeoutMs, concurrentMax }: SiteSettings): SiteClient {
  return new SiteClient({ url, secret: secret ?? undefined, timeoutMs, concurrentMax });
}

function askedBy({ clock, chance }: SiteParts, askedMs: number): Asked {
  return { askedMs, answeredMs: clock.nowMs(), chance: chance() };
}

function timesOf({ ttlSecondsMax, refusalSeconds }: SiteSettings): { ttlMsMax: number; refusalMs: number } {
  return { ttlMsMax: ttlSecondsMax * 1000, refusalMs: refusalSeconds * 1000 };
}

function inquirySettings(settings: SiteSettings): InquirySettings {
  return { ...settings, graceMs: settings.graceSeconds * 1000, retryAfterMs: settings.retryAfterSeconds * 1000 };
}

/** What the log is told: each turn, and of single failures one in a minute. */
function reportsOf({ logger, clock }: SiteParts, url: string): Pick<InquiryParts<never>, 'turned' | 'failed'> {
  const { origin, pathname } = new URL(url);
  const fields = { url: origin + pathname };
  let toldMs = -Infinity;
  return {
    turned(breaker, error) {
      if (breaker === 'closed') return logger.info(fields, 'the site answers again');
      const message = 'the site fails and is left alone for a while; known users stay for the grace';
      logger.warn({ ...fields, failure: wordsOf(error) }, message);
    },
    failed(error) {
      const nowMs = clock.monotonicMs();
      if (nowMs - toldMs < TOLD_EVERY_MS) return;
      toldMs = nowMs;
      logger.warn({ ...fields, failure: wordsOf(error) }, 'a question to the site failed');
    },
  };
}

const TOLD_EVERY_MS = 60_000;

function wordsOf(error: unknown): string {
  return error instanceof SiteFailure ? error.message : String(error);
}
