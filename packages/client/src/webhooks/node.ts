import { BodyBuffer } from './body-buffer.ts';
import { WebhookError } from './error.ts';
import type { Answer, ReceiverCore } from './receiver.ts';

/** As much of Node's `IncomingMessage`, and of Express' request, as is used. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether its body was read to the end. */
  readonly readableEnded?: boolean;
  /** What `express.raw()` leaves. */
  readonly body?: unknown;
  /** What some hosts leave beside a body that they parse. */
  readonly rawBody?: unknown;
  on(event: 'data' | 'end' | 'error' | 'close', listener: (piece: Uint8Array) => void): unknown;
  pause(): unknown;
}

/** As much of Node's `ServerResponse` as is used. */
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

/** What was sent, byte for byte. Bytes that others have read are taken, values that they made of them are of no use. */
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
      'the body was parsed before it could be verified: mount the receiver before express.json(), or behind express.raw()',
    );
  return readBody(request, bytesMax);
}

/** Not by iterating, which would destroy the request, and the answer with it, when that is broken off. */
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
  const onBroken = (): void => reject(new WebhookError('invalid_body', 'the request broke off'));
  request.on('error', onBroken);
  request.on('close', onBroken);
  return promise;
}

/** What was not read of a body that is refused must not be taken for the next request. */
function closing({ readableEnded }: NodeRequest): Record<string, string> {
  return readableEnded === false ? { Connection: 'close' } : {};
}

/** A 204 has none (RFC 9110, section 8.6). */
function contentLength(status: number, body: Answer['body']): Record<string, string> {
  return status === 204 ? {} : { 'Content-Length': String(new TextEncoder().encode(body).length) };
}
