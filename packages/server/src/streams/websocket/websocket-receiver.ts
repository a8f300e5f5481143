import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { compactChunks } from '../../http/body/chunk-buffer.ts';

/** The frame parser of `ws`. The package exports it but leaves it out of its types. */
export interface WebSocketReceiver extends Writable {
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: 'ping' | 'pong', listener: (payload: Buffer) => void): this;
  on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this;
  on(event: 'error', listener: (error: Error & { readonly code?: string }) => void): this;
  on(event: 'drain', listener: () => void): this;
}

interface ReceiverOptions {
  readonly isServer: boolean;
  /** Bytes. */
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly skipUTF8Validation: boolean;
}

/** The parser's buffers between writes, which the types of `ws` leave out. */
interface WsReceiver extends WebSocketReceiver {
  /** Bytes of an incomplete frame. */
  readonly _buffers: Buffer[];
  /** Payloads of an incomplete message. */
  readonly _fragments: Buffer[];
  dataMessage(callback: (error?: Error) => void): void;
}

const { Receiver } = ws as unknown as { readonly Receiver: new (options: ReceiverOptions) => WsReceiver };

/**
 * A parser that bounds a message by its bytes, not by its frames or packets (RFC 6455 section 5.4:
 * "an intermediary MAY change the fragmentation"). It joins small pieces as they arrive.
 */
class CompactingReceiver extends Receiver {
  #joinedBuffers = 0;
  #joinedFragments = 0;

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, callback);
    this.#joinedBuffers = compactChunks(this._buffers, this.#joinedBuffers);
  }

  override dataMessage(callback: (error?: Error) => void): void {
    super.dataMessage(callback);
    this.#joinedFragments = compactChunks(this._fragments, this.#joinedFragments);
  }
}

/** Creates a parser of client messages. A message larger than the limit is an error. */
export function createReceiver(messageBytesMax: number): WebSocketReceiver {
  return new CompactingReceiver({
    isServer: true,
    maxPayload: messageBytesMax,
    // No limit in `ws`.
    maxFragments: 0,
    maxBufferedChunks: 0,
    skipUTF8Validation: false,
  });
}
