import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parseListen } from '../config/listen.ts';
import type { Config } from '../config/schema.ts';
import type { HttpSettings, HttpTransport } from '../transports/http-transport.ts';
import type { Services } from '../transports/services.ts';
import { Certificate } from '../transports/tls-certificate.ts';
import { certificateFiles } from './settings.ts';

/** Where a server has begun to listen. */
export interface Address {
  readonly url: string;
  readonly port: number;
}

export async function listen(server: HttpTransport['server'], config: Config): Promise<Address> {
  const { host, port: wanted } = parseListen(config.listen) ?? {};
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: wanted, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${config.tls.certificateFile === null ? 'http' : 'https'}://${hostIn(config.listen)}:${port}`, port };
}

/** Watches over the files of a server that speaks TLS. */
export function watchCertificate(
  { tls }: Config,
  pair: HttpSettings['tls'],
  server: Server,
  services: Services,
): Certificate | undefined {
  const files = certificateFiles(tls);
  if (files === undefined || pair === undefined) return undefined;
  const certificate = new Certificate(server as unknown as TlsServer, files, pair, services.logger);
  certificate.watch(services.wheel, tls.reloadIntervalMs);
  return certificate;
}

/** The host as it is written in a URL. */
function hostIn(listened: string): string {
  const host = listened.slice(0, listened.lastIndexOf(':'));
  return host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '[::]' ? '[::1]' : host;
}
