import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parseListen } from '../config/listen.ts';
import type { Config } from '../config/parse.ts';
import type { HttpFrontend } from '../http/http-frontend.ts';
import type { HttpSettings } from '../http/http-settings.ts';
import type { HubBase } from './base.ts';
import { TlsCertificate } from '../http/tls-certificate.ts';
import { certificateFiles } from './transport-settings.ts';

/** The address that a server listens on. */
export interface Address {
  readonly url: string;
  readonly port: number;
}

/** @param isShared whether other processes of the hub listen on the same port */
export async function listen(server: HttpFrontend['server'], config: Config, isShared: boolean): Promise<Address> {
  const { host, port: wanted } = parseListen(config.listen) ?? {};
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: wanted, backlog: 4096, ...(isShared && { reusePort: true }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return addressOf(server, config) as Address;
}

/** The address of a server; `undefined` before it listens. */
export function addressOf(
  server: Pick<HttpFrontend['server'], 'address'>,
  { listen: listenAddress, tls }: Pick<Config, 'listen' | 'tls'>,
): Address | undefined {
  const bound = server.address() as AddressInfo | null;
  if (bound === null) return undefined;
  const { port } = bound;
  return { url: `${tls.certificateFile === null ? 'http' : 'https'}://${urlHost(listenAddress)}:${port}`, port };
}

/** Watches the certificate files of a server with TLS. */
export function watchCertificate(
  { tls }: Config,
  pair: HttpSettings['tls'],
  server: Server,
  { logger, wheel }: Pick<HubBase, 'logger' | 'wheel'>,
): TlsCertificate | undefined {
  const files = certificateFiles(tls);
  if (files === undefined || pair === undefined || !isTlsServer(server)) return undefined;
  const certificate = new TlsCertificate(server, files, pair, logger);
  certificate.watch(wheel, tls.reloadIntervalMs);
  return certificate;
}

function isTlsServer(server: Server): server is TlsServer {
  return 'setSecureContext' in server;
}

/**
 * Reads the certificate immediately, also from other files.
 * @returns the changed settings
 */
export async function reloadCertificate(certificate: TlsCertificate, { tls }: Config): Promise<readonly string[]> {
  const files = certificateFiles(tls);
  if (files !== undefined) certificate.useFiles(files);
  const { reloaded } = certificate.stats;
  await certificate.reload();
  return certificate.stats.reloaded > reloaded ? ['tls.certificateFile'] : [];
}

/** The host in the form of a URL. */
function urlHost(listenAddress: string): string {
  const host = listenAddress.slice(0, listenAddress.lastIndexOf(':'));
  return host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '[::]' ? '[::1]' : host;
}
