import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSiteKit, refusal } from './testing/kit.ts';
import { answersBySession, type Behaviour } from './testing/site.ts';

const MiB = 1024 * 1024;

const FAULTS: Readonly<Record<string, Behaviour>> = {
  'hangs before its answer': () => undefined,
  'hangs in its answer': (_asked, response) => void response.writeHead(200).write('{"user":'),
  drips: (_asked, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  },
  'cuts the connection': (_asked, response) => void response.destroy(),
  'cuts its answer': (_asked, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"user":"7"');
    setImmediate(() => response.destroy());
  },
  'answers 500': (_asked, response) => void response.writeHead(500).end('{"user":"7","ttlSeconds":60}'),
  'answers 404': (_asked, response) => void response.writeHead(404).end(),
  'answers 201': (_asked, response) => void response.writeHead(201).end('{"user":"7","ttlSeconds":60}'),
  redirects: (_asked, response) =>
    void response.writeHead(302, { Location: '/elsewhere' }).end('{"user":"7","ttlSeconds":60}'),
  'sends a gigabyte': (_asked, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    let sentBytes = 0;
    const more = (): void => {
      while (sentBytes < 1024 * MiB) {
        sentBytes += MiB;
        if (!response.write(Buffer.alloc(MiB, ' '))) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  },
  'announces a gigabyte': (_asked, response) =>
    void response.writeHead(200, { 'Content-Length': String(1024 * MiB) }).write('{'),
  'sends endless headers': (_asked, response) => {
    const timer = setInterval(
      () => response.socket?.write(`HTTP/1.1 200 OK\r\n${'x-a: ' + 'b'.repeat(8000) + '\r\n'}`),
      1,
    );
    response.on('close', () => clearInterval(timer));
  },
  compresses: (_asked, response) => void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'),
  'sends HTML': (_asked, response) => void response.end('<h1>Welcome</h1>'),
  'sends a list': () => [{ user: '7', ttlSeconds: 60 }],
  'sends null': (_asked, response) => void response.end('null'),
  'answers with an empty body': (_asked, response) => void response.end(),
  'omits the lifetime': () => ({ user: '7' }),
  'sends an invalid lifetime': () => ({ user: '7', ttlSeconds: '60' }),
  'sends a lifetime of 0': () => ({ user: '7', ttlSeconds: 0 }),
  'sends an endless lifetime': (_asked, response) => void response.end('{"user":"7","ttlSeconds":1e999}'),
  'omits the user': () => ({ ttlSeconds: 60 }),
  'sends true as the user': () => ({ user: true, ttlSeconds: 60 }),
  'sends an empty user': () => ({ user: '', ttlSeconds: 60 }),
  'sends a user with a line break': () => ({ user: 'a\r\nb', ttlSeconds: 60 }),
  'sends an overlong user': () => ({ user: 'a'.repeat(129), ttlSeconds: 60 }),
  'sends an unknown member': () => ({ user: '7', ttlSeconds: 60, admin: true }),
  'grants an invalid pattern': () => ({ user: '7', ttlSeconds: 60, subscribe: ['a..b'] }),
  'grants something other than a list': () => ({ user: '7', ttlSeconds: 60, publish: '>' }),
  'grants without end': () => ({ user: '7', ttlSeconds: 60, publish: Array.from({ length: 101 }, (_, n) => `a.${n}`) }),
  'claims something other than an object': () => ({ user: '7', ttlSeconds: 60, claims: ['admin'] }),
  'claims without end': () => ({ user: '7', ttlSeconds: 60, claims: { a: 'x'.repeat(8192) } }),
  'sends too much info': () => ({ user: '7', ttlSeconds: 60, info: 'x'.repeat(4096) }),
};

test.each(Object.entries(FAULTS))('a site that %s authenticates no user', async (_name, behave) => {
  const { backend, login, site, logged } = await openSiteKit(behave, { failuresMax: 1, timeoutMs: 300 });
  const { code, extensions } = await refusal(() => login('user-7'));
  expect(code).toBe('identity_unavailable');
  expect(extensions?.['retryAfterMs']).toBeGreaterThan(0);
  expect(site.stats).toMatchObject({ failed: 1, unavailable: 1, isFailing: true });
  expect(logged).toHaveLength(1);
  expect(logged[0]).not.toContain('user-7');
  expect(backend.requests.map(({ path }) => path)).not.toContain('/elsewhere');
});

test('a connection that the site closed while idle is opened again', async () => {
  let answered = 0;
  const { backend, login } = await openSiteKit((asked, response) => {
    // Closed after the answer without a notice, as by a server's idle timeout.
    if (answered++ === 0) response.once('finish', () => setImmediate(() => response.socket?.resetAndDestroy()));
    return answersBySession(60)(asked, response);
  });
  expect(await login('user-1')).toMatchObject({ user: '1' });
  expect(await login('user-2')).toMatchObject({ user: '2' });
  expect(backend.requests).toHaveLength(2);
});

test('an unreachable site authenticates no user', async () => {
  const { backend, login, logged } = await openSiteKit(answersBySession(60), { failuresMax: 1 });
  await backend.close();
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  expect(logged).toEqual([expect.stringContaining('ECONNREFUSED')]);
});

test('a site with an untrusted certificate receives nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-site-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  let asked = 0;
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => {
    asked++;
    response.end('{"user":"7","ttlSeconds":60}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const loginUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { login, logged } = await openSiteKit(answersBySession(60), { failuresMax: 1, loginUrl });
  expect((await refusal(() => login('user-7'))).code).toBe('identity_unavailable');
  expect(asked).toBe(0);
  expect(logged).toEqual([expect.stringMatching(/CERT/)]);
});
