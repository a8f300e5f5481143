import { BodyBuffer } from './body-buffer.ts';
import { WebhookError } from './error.ts';
import type { Answer, ReceiverCore } from './receiver.ts';

/** The part of Node's `IncomingMessage`, and of Express' request, that the receiver uses. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether its body was read to the end. */
  readonly readableEnded?: boolean;
  /** The body from `express.raw()`. */
  readonly body?: unknown;
  /** The raw body that some hosts provide beside a parsed one. */
  readonly rawBody?: unknown;
  on(event: 'data' | 'end' | 'error' | 'close', listener: (piece: Uint8Array) => void): unknown;
  pause(): unknown;
}

/** The part of Node's `ServerResponse` that the receiver uses. */
export interface NodeResponse {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  end(body?: string): unknown;
}

export async function answerNode(core: ReceiverCore, request: NodeRequest, response: NodeResponse): Promise<void> {
  const { method = 'GET', headers } = request;
  const { status, body, ...answer } = await core.answer({ method, headers, readBody: (max) => rawBody(request, max) });
  response.writeHead(status, { ...answer.headers, ...closing(request), ...contentLength(status, body) });
  response.end(body);
}

/**
 * The body, byte for byte. It takes bytes that other code has read; a parsed value is useless for
 * the signature.
 */
async function rawBody(request: NodeRequest, bytesMax: number): Promise<Uint8Array> {
  const { body, rawBody: raw = body } = request;
  const read = typeof raw === 'string' ? new TextEncoder().encode(raw) : raw;
  if (read instanceof Uint8Array) {
    new BodyBuffer(bytesMax).add(read);
    return read;
  }
  if (request.readableEnded === true || body !== undefined)
    throw new WebhookError(
      'body_parsed',
      'the body was parsed before it could be verified: mount the receiver before express.json() or after express.raw()',
    );
  return readBody(request, bytesMax);
}

/**
 * Reads the body by events: breaking off an iteration would destroy the request, and with it the
 * answer.
 */
function readBody(request: NodeRequest, bytesMax: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const pieces = new BodyBuffer(bytesMax);
  request.on('data', (piece) => {
    try {
      pieces.add(piece);
    } catch (error) {
      request.pause();
      reject(error as Error);
    }
  });
  request.on('end', () => resolve(pieces.toBytes()));
  const onBroken = (): void => reject(new WebhookError('invalid_body', 'the request was aborted'));
  request.on('error', onBroken);
  request.on('close', onBroken);
  return promise;
}

/**
 * Closes the connection after a body that was not read to the end. Otherwise its rest would be
 * taken for the next request.
 */
function closing({ readableEnded }: NodeRequest): Record<string, string> {
  return readableEnded === false ? { Connection: 'close' } : {};
}

/** A 204 has no `Content-Length` (RFC 9110, section 8.6). */
function contentLength(status: number, body: Answer['body']): Record<string, string> {
  return status === 204 ? {} : { 'Content-Length': String(new TextEncoder().encode(body).length) };
}
