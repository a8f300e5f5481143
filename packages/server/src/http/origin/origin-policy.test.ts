import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { OriginPolicy } from './origin-policy.ts';

const LISTED = ['https://shop.example', 'https://*.shop.example', 'http://*.dev.example:8080'];

function request(headers: Readonly<Record<string, string>>, method = 'GET'): IncomingMessage {
  return { method, headers: { host: 'hub.example', ...headers } } as unknown as IncomingMessage;
}

function corsOf(allowed: readonly string[], origin: string | undefined): Readonly<Record<string, string>> {
  const pairs = new OriginPolicy(allowed).corsHeaders(request(origin === undefined ? {} : { origin }));
  return Object.fromEntries(
    pairs.flatMap((name, index) => (index % 2 === 0 ? [[name, pairs[index + 1] as string]] : [])),
  );
}

describe('an origin', () => {
  test.each([
    ['https://shop.example', true],
    ['https://www.shop.example', true],
    ['https://a.b.shop.example', true],
    ['http://shop.example', false],
    ['http://www.shop.example', false],
    ['https://www.shop.example:8443', false],
    ['https://shop.example.evil.example', false],
    ['https://evilshop.example', false],
    ['https://.shop.example', false],
    ['https://evil.example/.shop.example', false],
    ['https://evil.example#.shop.example', false],
    ['http://x.dev.example:8080', true],
    ['http://x.dev.example', false],
    ['http://xdev.example:8080', false],
    ['https://hub.example', true],
    ['https://hub.example.evil.example', false],
    ['null', false],
    ['', false],
  ])('%s is allowed: %s', (origin, isAllowed) => {
    const origins = new OriginPolicy(LISTED);
    expect(origins.allows(request({ origin }))).toBe(isAllowed);
    expect(origins.allowsCookies(request({ origin }))).toBe(isAllowed);
  });

  test.each([
    ['listed, may bring cookies', LISTED, 'https://www.shop.example', 'https://www.shop.example', 'true'],
    [
      'listed in addition to *, may send cookies',
      ['*', ...LISTED],
      'https://shop.example',
      'https://shop.example',
      'true',
    ],
    ['any other with *, may not', ['*', ...LISTED], 'https://evil.example', '*', undefined],
    ['foreign, may not even read', LISTED, 'https://evil.example', undefined, undefined],
  ])('%s', (_name, allowed, origin, allowOrigin, credentials) => {
    const headers = corsOf(allowed, origin);
    expect(headers['Access-Control-Allow-Origin']).toBe(allowOrigin);
    expect(headers['Access-Control-Allow-Credentials']).toBe(credentials);
    expect(headers['Vary']).toBe('Origin');
  });
});

describe('a page of this machine', () => {
  const local = (pages: 'none' | 'loopback' | 'files'): OriginPolicy => new OriginPolicy(LISTED, [], pages);

  test.each([
    ['http://localhost:5173', true],
    ['https://localhost', true],
    ['http://shop.localhost:3000', true],
    ['http://127.0.0.1:3000', true],
    ['http://127.8.9.1', true],
    ['http://[::1]:3000', true],
    ['http://localhost.evil.example', false],
    ['http://evillocalhost', false],
    ['http://127.0.0.1.evil.example', false],
    ['http://127.0.0.1@evil.example', false],
    ['http://192.168.1.5:3000', false],
    ['http://0.0.0.0:3000', false],
    ['file://localhost', false],
    ['https://evil.example', false],
  ])('%s is allowed where loopback pages are: %s', (origin, isAllowed) => {
    expect(local('loopback').allows(request({ origin }))).toBe(isAllowed);
    expect(local('files').allows(request({ origin }))).toBe(isAllowed);
    expect(local('loopback').allowsCookies(request({ origin }))).toBe(isAllowed);
    expect(local('none').allows(request({ origin }))).toBe(false);
  });

  test.each([
    ['/v1/events', true],
    ['/v1/events?channel=a&wait=5', true],
    ['/v1/channels/a.b/events', true],
    ['/v1/channels/a.b', true],
    ['/v1/channels/a.b/history?limit=1', true],
    ['/v1/channels/a.b/presence', true],
    ['/v1/events/00tmf894vq-00000000001/deliveries', false],
    ['/v1/subscriptions', false],
    ['/v1/%73ubscriptions', false],
    ['/v1/channels/a/../../subscriptions', false],
    ['/v1/users/ada', false],
    ['/v1/keys', false],
    ['/lab/wires', false],
    ['/metrics', false],
  ])('of a file may request %s: %s, and never with cookies', (url, isAllowed) => {
    const asked = { ...request({ origin: 'null' }), url } as IncomingMessage;
    expect(local('files').allows(asked)).toBe(isAllowed);
    expect(local('files').allowsCookies(asked)).toBe(false);
    expect(local('files').corsHeaders(asked).includes('Access-Control-Allow-Credentials')).toBe(false);
    expect(local('loopback').allows(asked)).toBe(false);
  });
});

describe('cookies', () => {
  const json = { 'content-type': 'application/json' };
  const form = { 'content-type': 'Text/Plain; charset=utf-8' };

  test.each<[string, Readonly<Record<string, string>>, string, boolean]>([
    ['of any other page', { origin: 'https://evil.example' }, 'GET', false],
    [
      'of a page on the same host with another scheme',
      { origin: 'http://hub.example', 'sec-fetch-site': 'cross-site' },
      'GET',
      false,
    ],
    ['of an own page', { origin: 'https://hub.example', 'sec-fetch-site': 'same-origin' }, 'POST', true],
    ['of an own page, which reads', { 'sec-fetch-site': 'same-origin' }, 'GET', true],
    ['of an image on a foreign page', { 'sec-fetch-site': 'cross-site' }, 'GET', false],
    ['of an image on a page of a sister', { 'sec-fetch-site': 'same-site' }, 'GET', false],
    ['of an address that was typed', { 'sec-fetch-site': 'none' }, 'GET', true],
    ['of a program', {}, 'GET', true],
    ['of a program that publishes', json, 'POST', true],
    ['with a media type of forms', form, 'POST', false],
    ['with a media type of beacons', {}, 'POST', false],
    ['with a media type of uploads', { 'content-type': 'multipart/form-data; boundary=x' }, 'POST', false],
    ['of an own form', { ...form, 'sec-fetch-site': 'same-origin' }, 'POST', true],
  ])('%s: %o, %s: %s', (_name, headers, method, speak) => {
    expect(new OriginPolicy([]).allowsCookies(request(headers, method))).toBe(speak);
    expect(new OriginPolicy(['*']).allowsCookies(request(headers, method))).toBe(speak);
  });
});
