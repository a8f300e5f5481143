import { describe, expect, test } from 'vitest';
import { Access } from '../core/access.ts';
import { ANONYMOUS, type Grants, type Principal } from '../core/principal.ts';
import { createAuthority, NO_CONSENT, NOTHING_REVOKED } from './authority.ts';

const authority = createAuthority({
  access: new Access([], {}),
  identifiers: [],
  revocations: NOTHING_REVOKED,
  consent: NO_CONSENT,
});

function server(grants: Grants): Principal {
  return { ...ANONYMOUS, kind: 'server', key: 'k', grants };
}

describe('a scope', () => {
  test('is had or not; admin is also what users is', () => {
    expect(authority.permits(server({ users: ['>'] }), 'users').allowed).toBe(true);
    expect(authority.permits(server({ admin: ['>'] }), 'users').allowed).toBe(true);
    expect(authority.permits(server({ users: ['>'] }), 'admin').allowed).toBe(false);
    expect(authority.permits(server({ admin: ['>'] }), 'subscriptions').allowed).toBe(false);
    expect(authority.permits(ANONYMOUS, 'users')).toMatchObject({ allowed: false, code: 'unauthorized' });
  });

  test.each<[channels: readonly string[], allowed: boolean]>([
    [[], true],
    [['orders.7'], true],
    [['orders.7', 'orders.*.items'], true],
    [['orders.>'], true],
    [['orders.7', 'news'], false],
    [['*.7'], false],
    [['>'], false],
  ])('of patterns covers %j: %s', (channels, allowed) => {
    const decision = authority.permits(server({ subscriptions: ['orders.>'] }), 'subscriptions', channels);
    expect(decision.allowed).toBe(allowed);
    if (!decision.allowed) expect(decision).toMatchObject({ code: 'forbidden', by: 'the scopes of the key' });
  });
});
