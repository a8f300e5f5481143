/**
 * A parser of `text/event-stream` (HTML Standard, section 9.2.6; PROTOCOL.md section 6). A frame is
 * one unit of such a stream. The line `retry: 1000` is a frame. The lines `id: c1` and `data: {}`
 * are one frame, which is complete at the empty line after them. Bytes come in chunks of any size.
 * Any split of the same bytes gives the same frames, in a time linear in the number of bytes.
 */
export type SseFrame =
  | { readonly kind: 'message'; readonly event: string; readonly data: string; readonly id: string }
  /** An `id:` without data: the stream has reached this cursor. */
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'retry'; readonly retryMs: number };

export interface SseParser {
  /**
   * @throws RangeError when a message is longer than `messageBytesMax`, and at each call after that
   */
  feed(bytes: Uint8Array): SseFrame[];
}

export interface SseParserOptions {
  /**
   * The parser reads messages of up to this many bytes, and buffers no more characters than that.
   * The default is 16 MiB. A hub sends far less, so that only garbage reaches the bound.
   */
  readonly messageBytesMax?: number;
  /** Called with each line that the standard says to ignore: `retry: soon`, or a comment. */
  onIgnored?(line: string): void;
}

/** The decoder that every platform has. The protocol is compiled without the types of any. */
declare class TextDecoder {
  decode(bytes: Uint8Array, options: { readonly stream: boolean }): string;
}

const LINE_END = /\r\n?|\n/;
/** The name of a field, and its value without the optional space. A comment has no name. */
const FIELD = /^([^:]*):? ?(.*)$/s;
/** An array entry takes more memory than the few characters that it may hold. */
const PIECES_MAX = 50_000;

export function createSseParser({ messageBytesMax = 2 ** 24, onIgnored }: SseParserOptions = {}): SseParser {
  const decoder = new TextDecoder();
  // The unfinished line. To join it with each chunk would take quadratic time.
  let partial: string[] = [];
  let partialLength = 0;
  let data: string[] = [];
  let dataLength = 0;
  let endedWithReturn = false;
  let event = '';
  let id = '';
  let idOfLastFrame = '';

  return { feed };

  function feed(bytes: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    let text = decoder.decode(bytes, { stream: true });
    if (text === '') return frames;
    // A line feed at the start may belong to the carriage return at the end of the last chunk.
    if (endedWithReturn) text = text.replace(/^\n/, '');
    endedWithReturn = text.endsWith('\r');
    partialLength += text.length;
    if (partial.push(text) > PIECES_MAX || LINE_END.test(text)) {
      const lines = partial.join('').split(LINE_END);
      const rest = lines.pop() as string;
      partial = [rest];
      partialLength = rest.length;
      for (const line of lines) readLine(line, frames);
    }
    if (partialLength + dataLength > messageBytesMax) {
      // It throws at each later call, too.
      messageBytesMax = -1;
      throw new RangeError('Too long.');
    }
    return frames;
  }

  function readLine(line: string, frames: SseFrame[]): void {
    if (line === '') return dispatch(frames);
    const [, field, value = ''] = FIELD.exec(line) ?? [];
    if (field === 'data') {
      data.push(value);
      dataLength += line.length;
    } else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) frames.push({ kind: 'retry', retryMs: Number(value) });
    else onIgnored?.(line);
  }

  function dispatch(frames: SseFrame[]): void {
    if (data.length > 0) frames.push({ kind: 'message', event: event || 'message', data: data.join('\n'), id });
    else if (id !== idOfLastFrame) frames.push({ kind: 'id', id });
    idOfLastFrame = id;
    event = '';
    data = [];
    dataLength = 0;
  }
}
