import { AccessPolicy } from '../core/access/access-policy.ts';
import type { Authority } from '../core/access/authority.ts';
import type { LoginSigner } from '../core/access/identity-store.ts';
import { createAuthority } from '../identity/authority.ts';
import { ConsoleLogins } from '../identity/console/console-login.ts';
import { consoleSecret } from '../identity/console/console-secret.ts';
import { SecretSignatures, SharedSignatures, type LoginSignatures } from '../identity/console/login-signatures.ts';
import { openIdentity, type Identity } from '../identity/identity.ts';
import { currentAuthority } from '../identity/current-authority.ts';
import { createOpenAuthority, ignoredCredentialsLog } from '../identity/open-authority.ts';
import { createSite, type Site } from '../identity/site/site.ts';
import { createTokens, type Tokens } from '../identity/tokens/tokens.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { ownerLost } from '../processes/process-place.ts';
import { dataFolderOf } from '../storage/data-setting.ts';
import type { Storage } from '../storage/open-storage.ts';
import type { HubBase } from './base.ts';

/** The parts that identify clients and decide what they may do. */
export interface IdentityPart {
  /** Keys, revocations and the audit log. */
  readonly store: Identity;
  readonly tokens: Tokens;
  readonly site: Site;
  /** The logins of the console. */
  readonly logins: ConsoleLogins;
  readonly loginSignatures: LoginSignatures;
  /** `undefined` without access control. */
  readonly access: AccessPolicy | undefined;
  /** Joins all of them. Without access control every client may do everything. */
  readonly authority: Authority;
}

/**
 * Reads the keys of tokens. Call it before the storage opens: a wrong configuration then leaves the
 * data folder as it is.
 * @throws ConfiguredKeyError
 */
export function createConfiguredTokens(
  { config, world, logger }: HubBase,
  { guardedFetch }: { readonly guardedFetch: GuardedFetch },
): Tokens {
  return createTokens(config.identity, {
    clock: world.clock,
    logger,
    environment: process.env,
    fetchDocument: documentFetcher(guardedFetch),
  });
}

export function openIdentityPart(
  { config, world, logger, shutdown, reloader }: HubBase,
  storage: Storage,
  tokens: Tokens,
  isOwner: boolean,
): IdentityPart {
  const { clock, random } = world;
  const store = openIdentity(storage.identity, config.identity, clock, logger);
  shutdown.add('identity', () => store.close());
  tokens.onWithdrawn((signer) => store.revocations.endSessions({ signer, issuedBeforeMs: Infinity }));
  const site = createSite(config.identity.site, { clock, chance: random.fraction, logger });
  shutdown.add('site', () => site.close());
  const access = config.access === 'rules' ? new AccessPolicy(config.rules, config.defaults) : undefined;
  reloader.add((next) => {
    const useKeys = tokens.prepare(next.identity.tokens);
    return () => {
      access?.replace(next.rules, next.defaults);
      return useKeys() ? ['identity.tokens'] : [];
    };
  });
  const signatures = loginSignatures(consoleSecret(dataFolderOf(config.data), isOwner), storage, store);
  const logins = new ConsoleLogins({
    ...store,
    clock,
    random,
    signatures,
    lifetimeMs: config.console.loginSeconds * 1000,
  });
  const identifiers = [
    ...(config.console.enabled ? [logins] : []),
    store.keys,
    ...tokens.identifiers,
    ...site.identifiers,
  ];
  const { revocations } = store;
  const { hearing } = storage.identity;
  const ownAuthority =
    access === undefined
      ? createOpenAuthority({
          identifiers,
          revocations,
          onIgnored: ignoredCredentialsLog(config.access, clock, logger),
        })
      : createAuthority({ access, identifiers, revocations, channelAuthorizer: site.channelAuthorizer });
  const authority = hearing === undefined ? ownAuthority : currentAuthority(ownAuthority, hearing);
  return { store, tokens, site, logins, loginSignatures: signatures, access, authority };
}

/** In a cluster, the logins of each hub are valid at all of them. */
function loginSignatures(
  secret: () => Uint8Array,
  { identity: { shared, hearing } }: Storage,
  store: Identity,
): LoginSignatures {
  if (hearing === undefined) return new SecretSignatures(secret);
  // The owner answers the requests of logins, so a follower announces no signer.
  const announce = (signer: LoginSigner): Promise<unknown> =>
    shared?.commit([{ kind: 'login_signer', signer }], {}) ?? Promise.reject(ownerLost());
  const signatures = new SharedSignatures(secret, { announce, reach: () => hearing.reach() }, store.loginSigners);
  store.onLoginSigner((signer) => signatures.add(signer));
  return signatures;
}

/**
 * Fetches a document of another party. It must come by TLS, with the status 200 and without
 * redirects.
 */
function documentFetcher(
  guardedFetch: GuardedFetch,
): (url: string, bounds: { timeoutMs: number; bytesMax: number }) => Promise<Buffer> {
  return async (url, bounds) => {
    const { status, body } = await guardedFetch.fetch(url, { ...bounds, tlsOnly: true });
    if (status !== 200) throw new Error(`the response was ${status}`);
    return body;
  };
}
