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
  readonly http2: boolean;
  /** The `max-age` of HSTS in seconds; 0 sends no header. */
  readonly hstsMaxAgeSeconds: number;
}
