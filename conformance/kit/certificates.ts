import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { temporaryFolder } from './folders.ts';

export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A self-signed certificate for `localhost` and 127.0.0.1, and its key, in a temporary folder. */
export function selfSigned(name = 'localhost'): CertificateFiles {
  const folder = temporaryFolder('tls');
  const files = { certificateFile: join(folder, 'certificate.pem'), keyFile: join(folder, 'key.pem') };
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', ...kind, ...names, '-keyout', files.keyFile, '-out', files.certificateFile], {
    stdio: 'ignore',
  });
  return files;
}
