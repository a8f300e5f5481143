import type { IncomingMessage, ServerResponse } from 'node:http';
import { Http2ServerRequest, Http2ServerResponse, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** One HTTP/2 stream, as the request and response objects that all routes take. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Creates Node's HTTP/2 request and response with the members that routes use beside them. So the
 * same code serves both versions (PROTOCOL.md section 13.8).
 */
export function createExchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  socket: Socket,
): Exchange {
  // RFC 9113 section 8.3.1: the authority takes the place of `Host`.
  headers.host ??= headers[':authority'];
  const request = new Request(stream, headers, NO_OPTIONS, rawHeaders, socket);
  // A stream reports each reset by the client as an error. The response's `close` is enough.
  request.on('error', ignoreError);
  const response = new Response(stream);
  if (!stream.endAfterHeaders) stream.once('finish', closeUnreadStream);
  const shared: { readonly request: SharedRequest; readonly response: SharedResponse } = { request, response };
  return shared as Exchange;
}

/**
 * The members that routes use, which both versions have. Node's classes for HTTP/2 are no subtypes
 * of those for HTTP/1.1, because their methods return `this`. So the compiler checks these members.
 * Code that needs others asks for the version first, as `respondCreatedRaw` does.
 */
type SharedRequest = Pick<
  IncomingMessage,
  | 'headers'
  | 'rawHeaders'
  | 'method'
  | 'url'
  | 'httpVersionMajor'
  | 'httpVersionMinor'
  | 'complete'
  | 'socket'
  | 'destroyed'
>;
type SharedResponse = Pick<
  ServerResponse,
  'destroyed' | 'headersSent' | 'writableFinished' | 'writableLength' | 'writeContinue' | 'statusCode'
>;

class Request extends (Http2ServerRequest as RequestBase) {
  readonly #socket: Socket;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    options: object,
    rawHeaders: readonly string[],
    socket: Socket,
  ) {
    super(stream, headers, options, rawHeaders);
    this.#socket = socket;
  }

  /** The connection's socket. Node's replacement for it fails when the stream is closed. */
  get socket(): Socket {
    return this.#socket;
  }
}

class Response extends (Http2ServerResponse as ResponseBase) {
  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  /** HTTP/2 does not carry headers about the connection (RFC 9113 section 8.2.2). */
  override writeHead(status: number, headers?: object): this {
    return super.writeHead(
      status,
      Array.isArray(headers) ? withoutConnectionHeaders(headers as readonly string[]) : headers,
    );
  }

  override setHeader(name: string, value: string | number | readonly string[]): void {
    if (!CONNECTION_HEADERS.has(name.toLowerCase())) super.setHeader(name, value);
  }

  /**
   * Writes a long body in pieces as the client reads it. Written bytes count as memory of the
   * connection, and without free memory further streams are refused.
   */
  override end(body: string | Uint8Array = '', encoding: BufferEncoding = 'utf8'): this {
    if (body.length <= CHUNK_BYTES) return super.end(body, encoding);
    this.#endFrom(typeof body === 'string' ? Buffer.from(body, encoding) : body, 0);
    return this;
  }

  #endFrom(body: Uint8Array, from: number): void {
    const through = from + CHUNK_BYTES;
    if (this.destroyed) return;
    if (through >= body.length) super.end(body.subarray(from), 'utf8');
    else super.write(body.subarray(from, through), 'utf8', () => this.#endFrom(body, through));
  }

  /** Sets headers as a response of HTTP/1.1 does. */
  setHeaders(headers: Headers): this {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }
}

/** Node's types declare accessors as properties. */
type RequestBase = new (
  ...parameters: ConstructorParameters<typeof Http2ServerRequest>
) => Omit<Http2ServerRequest, 'socket'>;
type ResponseBase = new (stream: ServerHttp2Stream) => BaseResponse;

interface BaseResponse extends Omit<Http2ServerResponse, 'destroyed' | 'writeHead' | 'setHeader' | 'end'> {
  end(body: string | Uint8Array, encoding: BufferEncoding): this;
  writeHead(status: number, headers?: object): this;
  setHeader(name: string, value: string | number | readonly string[]): void;
}

/** Closes a stream whose body is unread after its response (RFC 9113 section 8.1). */
function closeUnreadStream(this: ServerHttp2Stream): void {
  if (!this.readableEnded) setImmediate(closeStream, this);
}

function closeStream(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) stream.close();
}

function ignoreError(): void {}

function withoutConnectionHeaders(pairs: readonly string[]): string[] {
  const allowed: string[] = [];
  for (let index = 0; index < pairs.length; index += 2)
    if (!CONNECTION_HEADERS.has((pairs[index] as string).toLowerCase()))
      allowed.push(pairs[index] as string, pairs[index + 1] as string);
  return allowed;
}

const CONNECTION_HEADERS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);
/**
 * The size of a DATA frame (RFC 9113 section 6.5.2). A hundred streams together hold less than a
 * connection may.
 */
const CHUNK_BYTES = 16_384;
const NO_OPTIONS = {};
