import { isUtf8 } from 'node:buffer';
import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage } from 'node:http';
import { ticksOf, type Timed, type Wheel } from '../core/wheel.ts';

export interface BodyLimits {
  readonly bodyBytesMax: number;
  /** The whole body has to be there by then. */
  readonly bodyTimeoutMs: number;
}

/**
 * Reads a whole body.
 * @throws PolycastError `body_too_large`, `request_timeout`, `unsupported_media_type` (a content coding)
 */
export function readBody(request: IncomingMessage, wheel: Wheel, { bodyBytesMax, bodyTimeoutMs }: BodyLimits): Promise<Buffer> {
  checkCoding(request);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bodyBytesMax) return Promise.reject(tooLarge(bodyBytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const deadline = new Deadline(() => finish(new PolycastError('request_timeout')));
    const finish = (error?: PolycastError): void => {
      wheel.cancel(deadline);
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) finish(tooLarge(bodyBytesMax));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onClose = (): void => finish(new PolycastError('invalid_request', 'The body broke off.'));
    wheel.schedule(deadline, ticksOf(bodyTimeoutMs));
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** Bytes as text. @throws PolycastError `invalid_utf8` */
export function utf8Text(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new PolycastError('invalid_utf8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** @throws PolycastError `unsupported_media_type` for a body that is compressed */
export function checkCoding(request: IncomingMessage): void {
  const coding = request.headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') throw new PolycastError('unsupported_media_type', 'Bodies with a Content-Encoding are not taken.');
}

/** Calls back once when its time on the wheel has come. */
export class Deadline implements Timed {
  dueTick = 0;
  placedTick = 0;
  readonly #then: () => void;

  constructor(then: () => void) {
    this.#then = then;
  }

  due(): void {
    this.#then();
  }
}

function tooLarge(limit: number): PolycastError {
  return new PolycastError('body_too_large', `At most ${limit} bytes are taken.`, { limit });
}
