import { describe, expect, test } from 'vitest';
import { Destinations, isLocalName } from './destinations.ts';

function destinations(settings: {
  allow?: string[];
  deny?: string[];
  ports?: number[];
  loopback?: boolean;
}): Destinations {
  return new Destinations({ allow: [], deny: [], ports: [80, 443, 8443], loopback: false, ...settings });
}

describe('without further settings', () => {
  test.each([80, 443, 8443])('public addresses are allowed on port %d', (port) => {
    expect(destinations({}).permits('a.example', '1.1.1.1', port)).toBe(true);
    expect(destinations({}).permits('a.example', '2606:4700::1', port)).toBe(true);
  });

  test.each([1, 22, 25, 3306, 6379, 8080, 65_535])('port %d is refused', (port) => {
    expect(destinations({}).permits('a.example', '1.1.1.1', port)).toBe(false);
  });

  test.each(['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:1.1.1.1', '0.0.0.0', 'nonsense'])(
    '%s is refused',
    (address) => {
      expect(destinations({}).permits('a.example', address, 443)).toBe(false);
    },
  );
});

describe('an entry of the allow list opens', () => {
  test.each([
    ['10.0.0.0/8', 'a.example', '10.1.2.3', 443, true],
    ['10.0.0.0/8', 'a.example', '11.1.2.3', 8080, false],
    ['10.0.0.0/8', 'a.example', '10.1.2.3', 8080, false],
    ['10.0.0.0/8', 'a.example', '::ffff:10.1.2.3', 443, false],
    ['10.0.0.7:8080', 'a.example', '10.0.0.7', 8080, true],
    ['10.0.0.7:8080', 'a.example', '10.0.0.7', 443, false],
    ['fd00::/8', 'a.example', 'fd12::1', 443, true],
    ['[fd12::1]:9000', 'a.example', 'fd12::1', 9000, true],
    ['fd12::1', 'a.example', 'fd12::1', 443, true],
    ['idp.corp.example', 'IDP.corp.example.', '10.0.0.1', 443, true],
    ['idp.corp.example:8080', 'idp.corp.example', '10.0.0.1', 8080, true],
    ['idp.corp.example', 'x.idp.corp.example', '10.0.0.1', 443, false],
    ['*.corp.example', 'idp.corp.example', '10.0.0.1', 443, true],
    ['*.corp.example', 'a.b.corp.example', '10.0.0.1', 443, true],
    ['*.corp.example', 'corp.example', '10.0.0.1', 443, false],
    ['*.corp.example', 'evilcorp.example', '10.0.0.1', 443, false],
    ['localhost:3000', 'localhost', '127.0.0.1', 3000, true],
    ['localhost:3000', 'other.example', '127.0.0.1', 3000, false],
    ['127.0.0.1:*', 'localhost', '127.0.0.1', 49_152, true],
    ['127.0.0.1:*', 'localhost', '127.0.0.2', 49_152, false],
    ['10.0.0.0/8:*', 'a.example', '10.1.2.3', 8080, true],
    ['[fd00::/8]:*', 'a.example', 'fd12::1', 8080, true],
    ['*.corp.example:*', 'idp.corp.example', '10.0.0.1', 8080, true],
    ['*.corp.example:*', 'corp.example', '10.0.0.1', 8080, false],
  ])('%s: %s at %s on port %d: %s', (entry, host, address, port, expected) => {
    expect(destinations({ allow: [entry] }).permits(host, address, port)).toBe(expected);
  });
});

test('a denied destination is refused, in spite of other settings', () => {
  const all = destinations({
    allow: ['10.0.0.0/8', 'a.example'],
    deny: ['10.0.0.5', 'b.example', '1.1.1.0/24'],
    loopback: true,
  });
  expect(all.permits('a.example', '10.0.0.4', 443)).toBe(true);
  expect(all.permits('a.example', '10.0.0.5', 443)).toBe(false);
  expect(all.permits('b.example', '8.8.8.8', 443)).toBe(false);
  expect(all.permits('c.example', '1.1.1.7', 443)).toBe(false);
});

test('an entry with :* is for every port, in both lists', () => {
  const some = destinations({ allow: ['10.0.0.0/8:*', 'a.example:*'], deny: ['10.0.0.5:*'] });
  for (const port of [80, 8080, 65_535]) {
    expect(some.permits('b.example', '10.0.0.4', port)).toBe(true);
    expect(some.permits('b.example', '10.0.0.5', port)).toBe(false);
    expect(some.mayPermit('b.example', port)).toBe(true);
    expect(some.trusts('a.example', port)).toBe(true);
  }
});

test('in development this machine is allowed on any port, and no other private address is', () => {
  const own = destinations({ loopback: true });
  for (const address of ['127.0.0.1', '127.9.9.9', '::1']) expect(own.permits('localhost', address, 12_345)).toBe(true);
  for (const address of ['10.0.0.1', '192.168.1.1', '169.254.169.254', '::ffff:127.0.0.1', '0.0.0.0'])
    expect(own.permits('a.example', address, 443)).toBe(false);
});

test('plain http is for hosts in the allow list themselves, not for names that resolve to them', () => {
  const some = destinations({ allow: ['10.0.0.0/8', 'idp.corp.example'] });
  expect(some.trusts('idp.corp.example', 80)).toBe(true);
  expect(some.trusts('10.0.0.1', 80)).toBe(true);
  expect(some.trusts('other.example', 80)).toBe(false);
  expect(some.trusts('localhost', 80)).toBe(false);
  expect(destinations({ loopback: true }).trusts('localhost', 3000)).toBe(true);
  expect(destinations({ loopback: true }).trusts('[::1]', 3000)).toBe(true);
});

test.each(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'a.b.localhost.'])('%s is this machine', (name) => {
  expect(isLocalName(name)).toBe(true);
  expect(isLocalName(`${name}.example`)).toBe(false);
});
