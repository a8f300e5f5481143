import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkTlsFiles } from './tls-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'polycast-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [certificateFile, keyFile] = pair('one');
const [, otherKeyFile] = pair('other');
const textFile = join(folder, 'text.pem');
writeFileSync(textFile, 'no certificate');

function pair(name: string): [string, string] {
  const [certificate, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    '/CN=localhost',
  ];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return [certificate, key];
}

test('a certificate with its key is valid, and so is no certificate', () => {
  expect(() => checkTlsFiles({ certificateFile, keyFile })).not.toThrow();
  expect(() => checkTlsFiles({ certificateFile: null, keyFile: null })).not.toThrow();
});

test.each([
  ['a missing certificate', join(folder, 'nowhere'), keyFile, /^tls\.certificateFile: cannot be read: ENOENT/],
  ['an invalid certificate', textFile, keyFile, /^tls\.certificateFile: .* contains no certificate in PEM/],
  ['an invalid key', certificateFile, certificateFile, /^tls\.keyFile: .* contains no private key in PEM/],
  ["another certificate's key", certificateFile, otherKeyFile, /^tls\.keyFile: .* is not the key of/],
])('%s is refused with an explanation', (_name, certificate, key, message) => {
  expect(() => checkTlsFiles({ certificateFile: certificate, keyFile: key })).toThrow(message);
});
