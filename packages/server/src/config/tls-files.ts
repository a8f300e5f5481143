import { readFileSync } from 'node:fs';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import type { Config } from './settings/config-schema.ts';

/**
 * Reads the certificate and its key, if there are any.
 * @throws ConfigError when a file cannot be read or is invalid, or when the two do not belong
 * together
 */
export function checkTlsFiles({ certificateFile, keyFile }: Pick<Config['tls'], 'certificateFile' | 'keyFile'>): void {
  if (certificateFile === null || keyFile === null) return;
  const problems: ConfigProblem[] = [];
  const cert = readOrReport('tls.certificateFile', certificateFile, problems);
  const key = readOrReport('tls.keyFile', keyFile, problems);
  // Not by an import, which would load TLS at each start.
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  if (problems.length === 0) {
    tryUse(
      'tls.certificateFile',
      `${certificateFile} contains no certificate in PEM`,
      () => createSecureContext({ cert }),
      problems,
    );
    tryUse('tls.keyFile', `${keyFile} contains no private key in PEM`, () => createSecureContext({ key }), problems);
  }
  if (problems.length === 0) {
    tryUse(
      'tls.keyFile',
      `${keyFile} is not the key of ${certificateFile}`,
      () => createSecureContext({ cert, key }),
      problems,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function readOrReport(path: string, file: string, problems: ConfigProblem[]): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    problems.push({ path, message: `cannot be read: ${(error as Error).message}` });
    return undefined;
  }
}

function tryUse(path: string, problem: string, use: () => unknown, problems: ConfigProblem[]): void {
  try {
    use();
  } catch (error) {
    problems.push({ path, message: `${problem} (${(error as Error).message})` });
  }
}
