import type { Config } from '../config/parse.ts';
import { ticksOf } from '../core/primitives/timing-wheel.ts';
import type { HttpSettings } from '../http/http-frontend.ts';
import type { TransportSettings } from '../http/services.ts';
import { readCertificatePair, type CertificateFiles } from '../http/tls-certificate.ts';

/** The settings of the HTTP server. Reads the certificate, if there is one. */
export async function httpSettings({ access, limits, localPages, publicUrl, tls, lab }: Config): Promise<HttpSettings> {
  const files = certificateFiles(tls);
  return {
    headerBytesMax: limits.headerBytesMax,
    headersTimeoutMs: limits.headersTimeoutMs,
    keepAliveTimeoutMs: limits.keepAliveTimeoutMs,
    connectionsMax: limits.connectionsMax,
    unreadResponsesBytesMax: limits.answersBytesMax,
    socketsPerAddressMax: limits.socketsPerAddressMax,
    // These features are open to every client because only this machine can reach them.
    loopbackHostsOnly: access === 'loopback' || lab.enabled || localPages !== 'none',
    publicHost: publicUrl === null ? undefined : new URL(publicUrl).hostname,
    socketsPerPublicAddressMax: limits.connectionsPerPublicAddressMax,
    http2StreamsMax: limits.http2StreamsMax,
    http2ResetsPerSecondMax: limits.http2ResetsPerSecondMax,
    tls:
      files === undefined
        ? undefined
        : { ...(await readCertificatePair(files)), http2: tls.http2, hstsMaxAgeSeconds: tls.hstsMaxAgeSeconds },
  };
}

/** The certificate files of a server with TLS. */
export function certificateFiles({ certificateFile, keyFile }: Config['tls']): CertificateFiles | undefined {
  return certificateFile === null || keyFile === null ? undefined : { certificate: certificateFile, key: keyFile };
}

/** The settings of the transports. Times are ticks of the wheel. */
export function transportSettings({ delivery, identity, limits, publicUrl }: Config): TransportSettings {
  return {
    session: {
      heartbeatTicks: ticksOf(delivery.heartbeatMs),
      stalledTicks: ticksOf(delivery.stalledTimeoutMs),
      closeTimeoutTicks: ticksOf(1000),
    },
    publicUrl: publicUrl ?? undefined,
    heartbeatMs: delivery.heartbeatMs,
    expiryWarningTicks: ticksOf(identity.expiringSeconds * 1000),
    resumeWindowMs: identity.resumeSeconds * 1000,
    reconnectMs: delivery.reconnectMs,
    keepAliveHeader: `timeout=${Math.floor(limits.keepAliveTimeoutMs / 1000)}`,
    pollBytesMax: delivery.pollBytesMax,
    pollWaitMaxSeconds: delivery.pollWaitMaxSeconds,
    channelsPerConsumerMax: limits.channelsPerConsumerMax,
    bodyBytesMax: limits.bodyBytesMax,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    batchEventsMax: limits.batchEventsMax,
    messageBytesMax: limits.messageBytesMax,
    webSocketIdleTicks: ticksOf(limits.webSocketEntryTimeoutMs),
    credentialHeaders: identity.site.headers.map((name) => name.toLowerCase()),
    tokenCookie: identity.tokenCookie ?? undefined,
  };
}
