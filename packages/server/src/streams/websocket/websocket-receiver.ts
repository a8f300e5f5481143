import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { compactChunks } from '../../http/body/chunk-buffer.ts';

/** The frame parser of `ws`, which the package exports and its types leave out. */
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

/** What the parser of `ws` keeps between writes, beside what its types say. */
interface WsReceiver extends WebSocketReceiver {
  /** Of a frame that has not come whole. */
  readonly _buffers: Buffer[];
  /** Payloads of a message that has not come whole. */
  readonly _fragments: Buffer[];
  dataMessage(callback: (error?: Error) => void): void;
}

const { Receiver } = ws as unknown as { readonly Receiver: new (options: ReceiverOptions) => WsReceiver };

/**
 * A message is bounded by its bytes, not by how many frames or packets it comes in (RFC 6455 section 5.4: "an intermediary MAY change the
 * fragmentation"). So small pieces are put together as they come.
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

/** A parser for what clients send; messages larger than the limit are errors. */
export function createReceiver(messageBytesMax: number): WebSocketReceiver {
  return new CompactingReceiver({
    isServer: true,
    maxPayload: messageBytesMax,
    // Not bounded by `ws`.
    maxFragments: 0,
    maxBufferedChunks: 0,
    skipUTF8Validation: false,
  });
}
