import { PolycastError } from '@polycast/protocol';
import { onTestFinished } from 'vitest';
import type { SiteSettings } from '../../../core/access/identity-settings.ts';
import type { Credentials } from '../../../core/access/authority.ts';
import type { Principal } from '../../../core/access/principal.ts';
import { createSite, type Site } from '../site.ts';
import { TestClock } from './clock.ts';
import { openSite, type Behaviour, type TestSite } from './site.ts';

const DEFAULTS: SiteSettings = {
  loginUrl: null,
  consentUrl: null,
  cookies: ['session'],
  headers: [],
  perAddress: false,
  secret: null,
  // A busy machine must not turn an answer into a failure.
  timeoutMs: 60_000,
  concurrentMax: 4,
  queueMax: 1000,
  queueBytesMax: 1_000_000,
  queueTimeoutMs: 10_000,
  cacheEntriesMax: 1000,
  ttlSecondsMax: 3600,
  consentSecondsMin: 5,
  refusalSeconds: 3,
  graceSeconds: 300,
  failuresMax: 3,
  retryAfterSeconds: 5,
};

/** The hub's side and its test site. Both end with the test. */
export interface SiteKit {
  readonly backend: TestSite;
  readonly site: Site;
  readonly clock: TestClock;
  readonly logged: string[];
  login(session: string | undefined, more?: Partial<Credentials>): Principal | Promise<Principal> | undefined;
}

export async function openSiteKit(behave: Behaviour, settings: Partial<SiteSettings> = {}): Promise<SiteKit> {
  const backend = await openSite(behave);
  const clock = new TestClock();
  const logged: string[] = [];
  const logger = {
    info: (_fields: object, message: string) => logged.push(message),
    warn: (fields: object, message: string) => logged.push(`${message}: ${JSON.stringify(fields)}`),
  };
  const urls = { loginUrl: `${backend.url}/login`, consentUrl: `${backend.url}/consent` };
  const site = createSite({ ...DEFAULTS, ...urls, ...settings }, { clock, chance: () => 0, logger });
  onTestFinished(async () => {
    await site.close();
    await backend.close();
  });
  return {
    backend,
    site,
    clock,
    logged,
    login: (session, more) =>
      site.identifiers[0]?.identify(credentials(session, more)) as Principal | Promise<Principal> | undefined,
  };
}

function credentials(session: string | undefined, more: Partial<Credentials> = {}): Credentials {
  return {
    token: undefined,
    cookie: (name) => (name === 'session' ? session : undefined),
    header: () => undefined,
    origin: undefined,
    address: '192.0.2.7',
    ...more,
  };
}

export function forget({ identifiers, channelAuthorizer }: Site, user: string): void {
  for (const each of [...identifiers, channelAuthorizer]) each.forget?.(user);
}

export async function refusal(asking: () => unknown): Promise<PolycastError> {
  try {
    await asking();
  } catch (error) {
    if (error instanceof PolycastError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
