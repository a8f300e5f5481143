import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { formatDuration } from '../../../quantities.ts';
import { fail, ok, skipped, warn, type Check, type Finding } from './finding.ts';

const DAY_MS = 86_400_000;
const EXPIRES_WARN_MS = 14 * DAY_MS;
const EXPIRES_FAIL_MS = 2 * DAY_MS;
const CONNECT_TIMEOUT_MS = 5000;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificate of the configuration, and those that the hub and the proxy present. */
export const certificates: Check = async ({ config, hub, through }) => {
  const { certificateFile } = config.tls;
  const urls = [...new Set([hub.url, through])].filter((url) => url?.startsWith('https:') === true);
  const findings = await Promise.all(urls.map((url) => presentedCertificate(new URL(url as string))));
  if (certificateFile !== null) findings.push(...fileFindings(certificateFile, config.publicUrl));
  return findings.length > 0 ? findings : [skipped('certificate', 'the hub is used without TLS')];
};

function fileFindings(file: string, publicUrl: string | null): readonly Finding[] {
  try {
    const chain = (readFileSync(file, 'utf8').match(PEM) ?? []).map((text) => new X509Certificate(text));
    const [leaf, ...issuers] = chain;
    if (leaf === undefined) return [fail('certificate', `${file} contains no certificate`, 'It must be a PEM file.')];
    const findings = [expiry(file, Date.parse(leaf.validTo)), chainFinding(file, leaf, issuers)];
    const host = publicUrl === null ? undefined : new URL(publicUrl).hostname;
    if (host !== undefined && leaf.checkHost(host) === undefined)
      findings.push(fail('certificate', `${file} is not for ${host}`, 'Get a certificate for the host of publicUrl.'));
    return findings.filter((finding) => finding !== undefined);
  } catch (error) {
    return [
      fail('certificate', `${file}: ${(error as Error).message}`, 'polycast config check says what is wrong with it.'),
    ];
  }
}

/** Each certificate must be followed by its issuer, except for that of a root. */
function chainFinding(file: string, leaf: X509Certificate, issuers: readonly X509Certificate[]): Finding | undefined {
  if (leaf.checkIssued(leaf)) return undefined;
  const [issuer] = issuers;
  if (issuer !== undefined && leaf.checkIssued(issuer)) return ok('certificate', `${file} has its chain`);
  const problem =
    issuer === undefined ? 'has no issuer after the certificate' : 'has another certificate where the issuer belongs';
  return warn(
    'certificate',
    `${file} ${problem}`,
    'Use the full chain (fullchain.pem): browsers often add it, programs do not.',
  );
}

function expiry(what: string, expiresMs: number): Finding {
  const remainingMs = expiresMs - Date.now();
  if (remainingMs <= 0)
    return fail(
      'certificate',
      `${what} has expired on ${new Date(expiresMs).toISOString().slice(0, 10)}`,
      'Renew it. The hub takes the new files without a restart.',
    );
  const measured = `${what} expires in ${formatDuration(remainingMs / 1000)}`;
  if (remainingMs < EXPIRES_FAIL_MS)
    return fail('certificate', measured, 'Renew it now, and find out why nothing has renewed it.');
  return remainingMs < EXPIRES_WARN_MS
    ? warn('certificate', measured, 'Most clients renew 30 days before: find out why yours has not.')
    : ok('certificate', measured);
}

/** Connects as a strict client does, and tells why it would refuse. */
function presentedCertificate({ hostname, port }: URL): Promise<Finding> {
  return new Promise((resolve) => {
    const where = `${hostname}:${port || '443'}`;
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      host,
      port: Number(port || 443),
      servername: host,
      rejectUnauthorized: false,
      timeout: CONNECT_TIMEOUT_MS,
    });
    const end = (finding: Finding): void => {
      socket.destroy();
      resolve(finding);
    };
    socket.on('secureConnect', () => {
      const validTo = Date.parse(socket.getPeerCertificate().valid_to);
      const found = expiry(where, validTo);
      const error = socket.authorizationError as unknown;
      if (found.result === 'fail' || socket.authorized) return end(found);
      end(fail('certificate', `${where} is not trusted (${describe(error)})`, adviceFor(describe(error))));
    });
    const unreachable = (reason: string): void =>
      end(fail('certificate', `${where}: ${reason}`, 'No TLS connection was possible. Is the URL right?'));
    socket.on('timeout', () => unreachable('no answer')).on('error', (error) => unreachable(error.message));
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}

function adviceFor(code: string): string {
  if (code.startsWith('UNABLE_TO_VERIFY')) return 'The chain is incomplete: serve the full chain (fullchain.pem).';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'Get a certificate for this name.';
  return 'Give the certificate of its authority to programs: NODE_EXTRA_CA_CERTS=ca.pem. Browsers need a public one.';
}
