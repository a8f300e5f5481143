import { createSseParser, type SseFrame } from '@polycast/protocol';

/** A piece of an event stream that the page shows in one row: a message, a setting or a comment. */
export interface StreamBlock {
  readonly kind: 'event' | 'control';
  readonly label: string;
  /** The bytes of the wire, one character per byte. */
  readonly bytes: string;
}

/**
 * Reads the body of an event stream. Its parser takes single bytes, so that each block's end is
 * known.
 */
export class StreamReader {
  #bytes = '';
  #blocks: StreamBlock[] = [];
  readonly #parser = createSseParser({
    onIgnored: (line) => line.startsWith(':') && this.#end('control', 'heartbeat'),
  });

  feed(bytes: string): StreamBlock[] {
    this.#blocks = [];
    for (const byte of bytes) {
      this.#bytes += byte;
      for (const frame of this.#parser.feed(Uint8Array.of(byte.charCodeAt(0)))) this.#endFrame(frame);
    }
    return this.#blocks;
  }

  #endFrame(frame: SseFrame): void {
    if (frame.kind !== 'message') this.#end('control', 'setting');
    else if (frame.event === 'message') this.#end('event', 'event');
    else this.#end('control', frame.event);
  }

  #end(kind: StreamBlock['kind'], label: string): void {
    this.#blocks.push({ kind, label, bytes: this.#bytes });
    this.#bytes = '';
  }
}
