import { PolycastError } from '@polycast/protocol';
import { expect, test } from 'vitest';
import type { Credentials } from '../core/access/authority.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { NO_REVOCATIONS, type Identifier } from './authority.ts';
import { createOpenAuthority, ignoredCredentialsLog } from './open-authority.ts';

const ADA: Principal = { ...ANONYMOUS, kind: 'user', user: 'ada' };

/** Identifies `ada`. The token `old` has expired. */
const identifier: Identifier = {
  identify({ token }) {
    if (token === undefined) return undefined;
    if (token === 'ada') return ADA;
    throw new PolycastError(token === 'old' ? 'token_expired' : 'unauthorized');
  },
};
const later: Identifier = { identify: async (credentials) => (await identifier.identify(credentials)) ?? ANONYMOUS };

const onIgnored = (): void => undefined;

function withToken(token: string | undefined): Credentials {
  return { token, cookie: () => undefined, header: () => undefined, origin: undefined, address: '' };
}

test.each([identifier, later])(
  'a caller with credentials has its identity, and every caller may do everything',
  async (given) => {
    const authority = createOpenAuthority({ identifiers: [given], revocations: NO_REVOCATIONS, onIgnored });
    expect(await authority.identify(withToken('ada'))).toBe(ADA);
    expect(await authority.identify(withToken('of another place'))).toMatchObject({ user: undefined, kind: 'server' });
    await expect((async () => authority.identify(withToken('old')))()).rejects.toMatchObject({ code: 'token_expired' });
    expect(authority.decide(ADA, 'publish', 'polycast.private.ada')).toEqual({ allowed: true });
    expect(authority.hasScope(ANONYMOUS, 'admin')).toEqual({ allowed: true });
  },
);

test('a caller with revoked credentials does not become another caller', () => {
  const revocations = { ...NO_REVOCATIONS, isRevoked: ({ user }: Principal) => user === 'ada' };
  const authority = createOpenAuthority({ identifiers: [identifier], revocations, onIgnored });
  expect(() => authority.identify(withToken('ada'))).toThrow(expect.objectContaining({ code: 'unauthorized' }));
  expect(authority.identify(withToken(undefined))).toMatchObject({ user: undefined });
});

test("no caller publishes to the hub's own channels; the refusal is that of the rules", () => {
  const authority = createOpenAuthority({ identifiers: [identifier], revocations: NO_REVOCATIONS, onIgnored });
  const everybody = authority.defaultPrincipal as Principal;
  for (const channel of ['polycast.users.online', 'polycast.subscriptions.sub_1', 'polycast.x', 'polycast.private']) {
    expect(authority.decide(everybody, 'publish', channel)).toMatchObject({ allowed: false, code: 'forbidden' });
    expect(authority.decide(ADA, 'publish', channel)).toMatchObject({ code: 'forbidden', by: 'the system channels' });
    expect(authority.decide(everybody, 'subscribe', channel)).toEqual({ allowed: true });
  }
  for (const channel of ['polycast', 'polycasts.x', 'polycast.private.ada'])
    expect(authority.decide(everybody, 'publish', channel)).toEqual({ allowed: true });
});

test.each([
  ['the identifier refuses them', [identifier], []],
  ['it refuses them later', [later], []],
  ['no identifier knows their kind', [], ['token']],
])('ignored credentials are reported once where %s', async (_name, identifiers, ofAda) => {
  const ignored: string[] = [];
  const authority = createOpenAuthority({
    identifiers,
    revocations: NO_REVOCATIONS,
    onIgnored: (kind) => ignored.push(kind),
  });
  await authority.identify(withToken(undefined));
  expect(ignored).toEqual([]);
  await authority.identify(withToken('ada'));
  expect(ignored).toEqual(ofAda);
  await authority.identify(withToken('of another place'));
  await authority.identify(withToken('pck_mistyped'));
  expect(ignored).toEqual([...ofAda, 'token', 'key']);
});

test('the log has the first ignored credentials, and then their number once a minute', () => {
  const lines: unknown[] = [];
  let nowMs = 0;
  const report = ignoredCredentialsLog(
    'loopback',
    { monotonicMs: () => nowMs },
    { warn: (fields, message) => lines.push([fields, message]) },
  );
  for (const atMs of [0, 1, 59_999, 60_000, 60_001, 200_000]) {
    nowMs = atMs;
    report('key');
  }
  const message = 'identity: a hub without access control ignores credentials that it does not know';
  expect(lines).toEqual([1, 3, 2].map((requests) => [{ access: 'loopback', credentials: 'key', requests }, message]));
});
