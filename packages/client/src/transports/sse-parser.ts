/**
 * A parser of `text/event-stream` (HTML Standard, section 9.2.6; PROTOCOL.md section 6). It takes
 * bytes in pieces of any size. Any split of the same bytes gives the same frames.
 */
export type SseFrame =
  | { readonly kind: 'message'; readonly event: string; readonly data: string; readonly id: string }
  /** An `id:` without data: the stream has reached this cursor. */
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'retry'; readonly retryMs: number };

export interface SseParser {
  /**
   * @throws RangeError when a message is longer than `MESSAGE_LENGTH_MAX`; do not use the parser
   * after that
   */
  feed(bytes: Uint8Array): SseFrame[];
}

/**
 * The most UTF-16 units of an incomplete message. A hub sends far less, so that only garbage
 * reaches the bound.
 */
export const MESSAGE_LENGTH_MAX: number = 16 * 1024 * 1024;

const LINE_END: RegExp = /\r\n?|\n/g;
/**
 * The name of a field, and its value without the optional space before it. A comment has no name.
 */
const FIELD: RegExp = /^([^:]*):? ?(.*)$/s;

export function createSseParser(): SseParser {
  const decoder = new TextDecoder();
  let partial = '';
  let endedWithReturn = false;
  let event = '';
  let data = '';
  let id = '';
  let idOfLastFrame = '';

  return { feed };

  function feed(bytes: Uint8Array): SseFrame[] {
    const frames: SseFrame[] = [];
    let text = decoder.decode(bytes, { stream: true });
    if (text === '') return frames;
    // A line feed at the start of a piece may belong to the carriage return at the end of the last
    // one.
    if (endedWithReturn && text.startsWith('\n')) text = text.slice(1);
    endedWithReturn = text.endsWith('\r');
    const lines = (partial + text).split(LINE_END);
    partial = lines.pop() as string;
    for (const line of lines) readLine(line, frames);
    if (partial.length + data.length > MESSAGE_LENGTH_MAX) throw new RangeError('Too long.');
    return frames;
  }

  function readLine(line: string, frames: SseFrame[]): void {
    if (line === '') return dispatch(frames);
    const [, field, value = ''] = FIELD.exec(line) ?? [];
    if (field === 'data') data += value + '\n';
    if (field === 'event') event = value;
    if (field === 'id' && !value.includes('\0')) id = value;
    if (field === 'retry' && /^\d+$/.test(value)) frames.push({ kind: 'retry', retryMs: Number(value) });
  }

  function dispatch(frames: SseFrame[]): void {
    if (data !== '') frames.push({ kind: 'message', event: event || 'message', data: data.slice(0, -1), id });
    else if (id !== idOfLastFrame) frames.push({ kind: 'id', id });
    idOfLastFrame = id;
    event = '';
    data = '';
  }
}
