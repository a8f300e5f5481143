import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import { TlsCertificate, readCertificatePair } from './tls-certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'polycast-certificate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const pairs = new Map(['one', 'two', 'three'].map((name) => [name, selfSigned(name)]));

test('a new certificate is used for new connections, and open ones keep the old one', async () => {
  const { certificate, put, dial, logged } = await serve();
  const before = await dial();
  put('two');
  await certificate.reload();
  expect(nameOf(await dial())).toBe('two');
  expect(nameOf(before)).toBe('one');
  expect(before.destroyed).toBe(false);
  expect(certificate.stats).toMatchObject({ reloaded: 1, failed: 0 });
  expect(certificate.stats.expiresMs).toBeGreaterThan(Date.now());
  expect(logged).toEqual(['info']);
  await certificate.reload();
  expect(certificate.stats.reloaded).toBe(1);
});

test.each([
  ['an invalid file', (files: Files) => writeFileSync(files.certificate, 'no certificate')],
  ['half of one', (files: Files) => writeFileSync(files.certificate, '-----BEGIN CERTIFICATE-----\nMIIB')],
  ['an empty one', (files: Files) => writeFileSync(files.key, '')],
  ['none at all', (files: Files) => rmSync(files.key)],
  ["another certificate's key", (files: Files) => copyFileSync(pairs.get('two')?.key as string, files.key)],
])('%s is logged once, and the old certificate stays in use', async (_what, breakIt) => {
  const { certificate, put, files, dial, logged } = await serve();
  breakIt(files);
  await certificate.reload();
  await certificate.reload();
  expect(nameOf(await dial())).toBe('one');
  expect(certificate.stats).toMatchObject({ reloaded: 0, failed: 1 });
  expect(logged).toEqual(['error']);
  // The next complete pair is used.
  put('three');
  await certificate.reload();
  expect(nameOf(await dial())).toBe('three');
});

test('the files are checked periodically, also when they are links that are replaced', async () => {
  const { certificate, files, dial } = await serve();
  const wheel = new TimingWheel();
  certificate.watch(wheel, 500);
  onTestFinished(() => certificate.close());
  for (const name of ['two', 'three']) {
    for (const which of ['certificate', 'key'] as const) {
      symlinkSync(pairs.get(name)?.[which] as string, `${files[which]}.next`);
      renameSync(`${files[which]}.next`, files[which]);
    }
    const turning = setInterval(() => wheel.advance(), 5);
    await expect.poll(async () => nameOf(await dial())).toBe(name);
    clearInterval(turning);
  }
});

interface Files {
  readonly certificate: string;
  readonly key: string;
}

async function serve() {
  const place = mkdtempSync(join(folder, 'hub-'));
  const files = { certificate: join(place, 'certificate.pem'), key: join(place, 'key.pem') };
  const put = (name: string): void => {
    const pair = pairs.get(name) as Files;
    copyFileSync(pair.certificate, files.certificate);
    copyFileSync(pair.key, files.key);
  };
  put('one');
  const first = await readCertificatePair(files);
  const server = createServer({ cert: first.certificate, key: first.key });
  const sockets: TLSSocket[] = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const logged: string[] = [];
  const log = (level: string) => (): void => void logged.push(level);
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const certificate = new TlsCertificate(server, files, first, logger);
  const dial = (): Promise<TLSSocket> => {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(socket));
      socket.on('error', reject);
      sockets.push(socket);
    });
  };
  return { certificate, put, files, dial, logged };
}

function nameOf(socket: TLSSocket): unknown {
  return socket.getPeerCertificate().subject.CN;
}

function selfSigned(name: string): Files {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...kind, '-subj', `/CN=${name}`, '-keyout', files.key, '-out', files.certificate], {
    stdio: 'ignore',
  });
  return files;
}
