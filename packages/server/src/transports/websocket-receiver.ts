import type { Writable } from 'node:stream';
import * as ws from 'ws';

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

const { Receiver } = ws as unknown as { readonly Receiver: new (options: ReceiverOptions) => WebSocketReceiver };

/** A parser for what clients send; messages larger than the limit, or in too many pieces, are errors. */
export function createReceiver(messageBytesMax: number): WebSocketReceiver {
  return new Receiver({
    isServer: true,
    maxPayload: messageBytesMax,
    maxFragments: 1024,
    maxBufferedChunks: 65_536,
    skipUTF8Validation: false,
  });
}
