import type { Http2Connections, Http2Settings } from './http2/http2-connections.ts';

export interface HttpSettings {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  /** Bytes of responses that clients have not read yet. */
  readonly answersBytesMax: number;
  readonly socketsPerAddressMax: number | null;
  readonly connectionsPerPublicAddressMax: number | null;
  /** Refuse requests whose `Host` is not a loopback name. */
  readonly loopbackHostsOnly: boolean;
  /** The hub's public name, which is accepted as well. */
  readonly publicHost: string | undefined;
  readonly tls: TlsSettings | undefined;
  /** HTTP/2: open streams of all connections. A stream is no open file. */
  readonly streamsTotalMax: number;
  /** HTTP/2: open streams of one connection, and streams that a client may reset per second. */
  readonly http2StreamsMax: number;
  readonly http2ResetsPerSecondMax: number;
}

export interface TlsSettings {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /**
   * The class of the connections over HTTP/2; `undefined` if clients may not use HTTP/2. To load it
   * takes some 8 ms, because it loads Node's HTTP/2. So only hubs that use it do.
   */
  readonly http2Connections: typeof Http2Connections | undefined;
  /** The `max-age` of HSTS in seconds; 0 sends no header. */
  readonly hstsMaxAgeSeconds: number;
}

/** The settings of connections over HTTP/2 among those of the server. */
export function http2Settings(settings: HttpSettings): Http2Settings {
  return {
    streamsMax: settings.http2StreamsMax,
    resetsPerSecondMax: settings.http2ResetsPerSecondMax,
    streamsTotalMax: settings.streamsTotalMax,
    headerBytesMax: settings.headerBytesMax,
    idleMs: settings.keepAliveTimeoutMs,
  };
}
