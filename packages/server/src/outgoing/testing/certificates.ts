import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its private key, in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** `DNS:a.example`, `IP:127.0.0.1` */
  readonly names: string;
  /** The certificate was valid for one day in the year 2020. */
  readonly isExpired?: boolean;
}

/** Creates a self-signed certificate. */
export function selfSigned({ names, isExpired = false }: CertificateOptions): KeyPair {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-certificate-'));
  const at = (name: string): string => join(folder, name);
  try {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key.pem')];
    const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=${names}`];
    if (isExpired) {
      openssl('req', '-new', ...key, ...subject, '-out', at('request.pem'));
      writeFileSync(at('ca.cnf'), authorityOf(folder));
      writeFileSync(at('index.txt'), '');
      const period = ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'];
      const own = [
        '-batch',
        '-config',
        at('ca.cnf'),
        '-selfsign',
        '-keyfile',
        at('key.pem'),
        '-rand_serial',
        '-notext',
      ];
      openssl('ca', ...own, ...period, '-in', at('request.pem'), '-out', at('certificate.pem'));
    } else openssl('req', '-x509', ...key, ...subject, '-days', '1', '-out', at('certificate.pem'));
    return { cert: readFileSync(at('certificate.pem'), 'utf8'), key: readFileSync(at('key.pem'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function openssl(...words: string[]): void {
  execFileSync('openssl', words, { stdio: 'ignore' });
}

function authorityOf(folder: string): string {
  return [
    '[ca]',
    'default_ca = own',
    '[own]',
    `database = ${join(folder, 'index.txt')}`,
    `new_certs_dir = ${folder}`,
    'default_md = sha256',
    'rand_serial = yes',
    'policy = any',
    'copy_extensions = copy',
    '[any]',
    'commonName = supplied',
    '',
  ].join('\n');
}
