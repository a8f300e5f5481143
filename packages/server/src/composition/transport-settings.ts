import { isLoopback, parseListen, trustsLoopback } from '../config/listen.ts';
import type { Config } from '../config/parse.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import type { Logger } from '../core/ports.ts';
import type { HttpSettings, TlsSettings } from '../http/http-settings.ts';
import type { AuthSettings } from '../auth/auth-parts.ts';
import { connectionsWithin, openFilesMax } from '../operate/host-resources.ts';
import type { StreamSettings } from '../streams/stream-parts.ts';
import { readCertificatePair, type CertificateFiles } from '../http/tls-certificate.ts';
import type { Reloader } from './reloader.ts';

/** The settings of the HTTP server. Reads the certificate, if there is one. */
export async function httpSettings(config: Config): Promise<HttpSettings> {
  const { localPages, publicUrl, tls, lab } = config;
  const files = certificateFiles(tls);
  return {
    ...httpLimits(config),
    // These features are open to every client because only this machine can reach them.
    loopbackHostsOnly: trustsLoopback(config) || lab.enabled || localPages !== 'none',
    publicHost: publicUrl === null ? undefined : new URL(publicUrl).hostname,
    tls: files === undefined ? undefined : await tlsSettings(tls, files),
  };
}

async function tlsSettings(tls: Config['tls'], files: CertificateFiles): Promise<TlsSettings> {
  const { Http2Connections } = tls.http2 ? await import('../http/http2/http2-connections.ts') : {};
  return { ...tls, ...(await readCertificatePair(files)), http2Connections: Http2Connections };
}

/** The limits of connections and requests. */
export function httpLimits(config: Config): Config['limits'] & Pick<HttpSettings, 'streamsTotalMax'> {
  const limits = { ...config.limits, streamsTotalMax: config.limits.connectionsMax };
  return isReachedByPublicAddresses(config) ? limits : { ...limits, connectionsPerPublicAddressMax: null };
}

/** The connections that the hub accepts. */
export type ConnectionsMax = (config: Pick<Config, 'limits'>) => number;

/**
 * The function that says how many connections the hub accepts: `limits.connectionsMax`, or what the
 * limit of open files has room for. It logs a bound that is lower than the setting.
 */
export function connectionsBound(
  config: Config,
  logger: Pick<Logger, 'info' | 'warn'>,
  reloader: Reloader,
): ConnectionsMax {
  const limit = openFilesMax();
  const bound = connectionsWithin(limit, config.outgoing.connectionsMax);
  const report = (used: Config): void => {
    const { connectionsMax } = used.limits;
    if (connectionsMax <= bound) return;
    // On a developer's machine no crowd comes.
    const level = trustsLoopback(used) ? 'info' : 'warn';
    logger[level](
      { openFilesMax: limit, configured: connectionsMax, connectionsMax: bound },
      'open files: the limit is too low for limits.connectionsMax, the hub takes fewer connections',
    );
  };
  report(config);
  reloader.add((next) => () => {
    if (next.limits.connectionsMax !== reloader.config.limits.connectionsMax) report(next);
  });
  return ({ limits }) => Math.min(limits.connectionsMax, bound);
}

/**
 * Whether connections can come from public addresses. Only this machine reaches a loopback address.
 * Then the hub need not ask the kernel for the address of each connection.
 */
function isReachedByPublicAddresses({ listen }: Config): boolean {
  const address = parseListen(listen);
  return address === undefined || !isLoopback(address.host);
}

/** The certificate files of a server with TLS. */
export function certificateFiles({ certificateFile, keyFile }: Config['tls']): CertificateFiles | undefined {
  return certificateFile === null || keyFile === null ? undefined : { certificate: certificateFile, key: keyFile };
}

/** The settings of credentials and permissions. */
export function authSettings({ identity }: Config): AuthSettings {
  return {
    credentialHeaders: identity.site.headers.map((name) => name.toLowerCase()),
    tokenCookie: identity.tokenCookie ?? undefined,
    expiryWarningTicks: ticksOf(identity.expiringSeconds * 1000),
    resumeWindowMs: identity.resumeSeconds * 1000,
  };
}

/** The settings of the transports. Times are ticks of the wheel. */
export function streamSettings({ delivery, limits, publicUrl }: Config): StreamSettings {
  return {
    ...limits,
    ...delivery,
    session: {
      heartbeatTicks: ticksOf(delivery.heartbeatMs),
      stalledTicks: ticksOf(delivery.stalledTimeoutMs),
      closeTimeoutTicks: ticksOf(1000),
    },
    publicUrl: publicUrl ?? undefined,
    keepAliveHeader: `timeout=${Math.floor(limits.keepAliveTimeoutMs / 1000)}`,
    webSocketIdleTicks: ticksOf(limits.webSocketEntryTimeoutMs),
  };
}
