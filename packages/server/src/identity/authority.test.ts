import { describe, expect, test } from 'vitest';
import { AccessPolicy } from '../core/access/access-policy.ts';
import { ANONYMOUS, type Grants, type Principal } from '../core/access/principal.ts';
import { createAuthority, DENY_ALL, NO_REVOCATIONS } from './authority.ts';

const authority = createAuthority({
  access: new AccessPolicy([], {}),
  identifiers: [],
  revocations: NO_REVOCATIONS,
  channelAuthorizer: DENY_ALL,
});

function server(grants: Grants): Principal {
  return { ...ANONYMOUS, kind: 'server', key: 'k', grants };
}

describe('a scope', () => {
  test('is granted or not; admin includes users', () => {
    expect(authority.hasScope(server({ users: ['>'] }), 'users').allowed).toBe(true);
    expect(authority.hasScope(server({ admin: ['>'] }), 'users').allowed).toBe(true);
    expect(authority.hasScope(server({ users: ['>'] }), 'admin').allowed).toBe(false);
    expect(authority.hasScope(server({ admin: ['>'] }), 'subscriptions').allowed).toBe(false);
    expect(authority.hasScope(ANONYMOUS, 'users')).toMatchObject({ allowed: false, code: 'unauthorized' });
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
    const decision = authority.hasScope(server({ subscriptions: ['orders.>'] }), 'subscriptions', channels);
    expect(decision.allowed).toBe(allowed);
    if (!decision.allowed) expect(decision).toMatchObject({ code: 'forbidden', by: 'the scopes of the key' });
  });
});
