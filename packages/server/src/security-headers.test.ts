import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as plainRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from './config/parse.ts';
import { routeName } from './http/route.ts';
import { startHub, type Hub } from './main.ts';

/** Every route of a hub with the Lab, and every kind of answer (PROTOCOL.md section 13.8). */
let hub: Hub;
let secureHub: Hub;
const folder = mkdtempSync(join(tmpdir(), 'polycast-headers-'));

beforeAll(async () => {
  const common = { listen: '127.0.0.1:0', access: 'loopback', data: ':memory:', logging: { level: 'silent' } };
  hub = await startHub(parseConfig({ ...common, lab: { enabled: true } }));
  const tls = { certificateFile: join(folder, 'certificate.pem'), keyFile: join(folder, 'key.pem') };
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync(
    'openssl',
    ['req', ...kind, '-subj', '/CN=localhost', '-keyout', tls.keyFile, '-out', tls.certificateFile],
    { stdio: 'ignore' },
  );
  secureHub = await startHub(parseConfig({ ...common, tls: { ...tls, hstsMaxAgeSeconds: 3600 } }));
  for (const { url } of [hub, secureHub])
    await ask(url, 'POST', '/v1/events', { 'content-type': 'application/json' }, '{"channel":"x","data":1}');
});
afterAll(async () => {
  await Promise.all([hub.close(), secureHub.close()]);
  rmSync(folder, { recursive: true });
});

const JSON_TYPE = { 'content-type': 'application/json' };

/** Requests without a route, and further forms of answers of the routes. */
const MORE: readonly (readonly [string, string, Record<string, string>])[] = [
  ['GET', '/v1/events?channel=x', {}],
  ['GET', '/v1/events?channel=x&after=earliest', {}],
  ['GET', '/v1/events?channel=x', { accept: 'text/event-stream' }],
  ['GET', '/v1/events?channel=!', {}],
  ['GET', '/v1/events?channel=!', { accept: 'text/event-stream' }],
  ['HEAD', '/healthz', {}],
  ['GET', '/nowhere', {}],
  ['PUT', '/v1/events', {}],
  ['POST', '/v1/events', { origin: 'https://elsewhere.example', ...JSON_TYPE }],
  ['GET', '/lab/api/config', {}],
  ['GET', '/lab/api/wire', {}],
  ['GET', '/lab/nothing', {}],
];

test('every answer forbids content sniffing, and states who may load it', async () => {
  const asked = [...hub.routes.map(routeName).map(pathOf), ...MORE];
  for (const [method, path, headers] of asked) {
    const answer = await ask(hub.url, method, path, headers, method === 'POST' ? '{}' : undefined);
    const { headers: said } = answer;
    const what = `${method} ${path}: ${answer.statusCode}`;
    if (answer.statusCode !== 302) expect([what, said['x-content-type-options']]).toEqual([what, 'nosniff']);
    // Media types that a browser could show as a page.
    if (isPublished(method, answer) || path.startsWith('/v1/events')) continue;
    expect([what, said['referrer-policy']]).toEqual([what, 'no-referrer']);
    expect([what, String(said['content-security-policy'])]).toEqual([what, expect.stringContaining('frame-ancestors')]);
    expect([what, said['cross-origin-resource-policy']]).toEqual([what, expect.stringMatching(/^(?:same|cross)-/)]);
  }
  expect(asked.length).toBeGreaterThan(25);
});

describe('over TLS', () => {
  test('every answer has Strict-Transport-Security if it is configured', async () => {
    for (const [method, path, headers] of [...secureHub.routes.map(routeName).map(pathOf), ...MORE.slice(0, 9)]) {
      const answer = await ask(secureHub.url, method, path, headers, method === 'POST' ? '{}' : undefined);
      const what = `${method} ${path}: ${answer.statusCode}`;
      expect([what, answer.headers['strict-transport-security']]).toEqual([what, 'max-age=3600']);
    }
  });

  test('and without TLS no answer does', async () => {
    const { headers } = await ask(hub.url, 'GET', '/healthz');
    expect(headers['strict-transport-security']).toBeUndefined();
  });

  test('the same holds over HTTP/2', async () => {
    const client = connect(secureHub.url, { rejectUnauthorized: false });
    for (const path of ['/healthz', '/nowhere', '/v1/channels/x', '/v1/events?channel=x']) {
      const stream = client.request({ ':path': path });
      const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
        stream.on('response', resolve).on('error', reject).resume();
      });
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'strict-transport-security': 'max-age=3600',
      });
    }
    client.close();
  });
});

/** `POST /v1/channels/{channel}/events`, with its parameters filled in. */
function pathOf(route: string): readonly [string, string, Record<string, string>] {
  const [method = '', path = ''] = route.split(' ');
  return [method, path.replaceAll(/\{\w+\}/g, 'x').replace('*', 'nothing'), method === 'POST' ? JSON_TYPE : {}];
}

/** Results of publishing, which no browser shows. */
function isPublished(method: string, { statusCode = 0 }: IncomingMessage): boolean {
  return method === 'POST' && statusCode < 300;
}

/** The head of the answer, because its body may be endless. */
function ask(
  url: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<IncomingMessage> {
  const request = url.startsWith('https:') ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false as const, rejectUnauthorized: false };
    const asking: ClientRequest = request(`${url}${path}`, options, (answer) => {
      resolve(answer);
      if (answer.headers['content-type']?.startsWith('text/event-stream')) answer.destroy();
      else answer.resume();
    });
    asking.on('error', reject);
    asking.end(body);
  });
}
