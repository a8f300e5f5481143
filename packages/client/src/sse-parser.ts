/**
 * Reads `text/event-stream` (HTML Standard, section 9.2.6; PROTOCOL.md section 6) from bytes in pieces of any size. Any split
 * of the same bytes gives the same frames.
 */
export type SseFrame =
  | { readonly kind: 'message'; readonly event: string; readonly data: string; readonly id: string }
  /** An `id:` that came without data: the stream has spoken to there. */
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'retry'; readonly retryMs: number };

export interface SseParser {
  /** @throws RangeError when a message is longer than `MESSAGE_LENGTH_MAX`; the parser cannot be used after that. */
  feed(bytes: Uint8Array): SseFrame[];
}

/** The longest line or message, in UTF-16 units: far beyond what a hub sends, so that only garbage reaches it. */
export const MESSAGE_LENGTH_MAX: number = 16 * 1024 * 1024;

const LINE_END: RegExp = /\r\n|\n|\r/g;

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
    // A line feed that begins a piece may belong to the carriage return which ended the last one.
    if (endedWithReturn && text.startsWith('\n')) text = text.slice(1);
    endedWithReturn = text === '' ? false : text.endsWith('\r');
    let start = 0;
    for (const match of text.matchAll(LINE_END)) {
      readLine(partial + text.slice(start, match.index), frames);
      partial = '';
      start = match.index + match[0].length;
    }
    partial += text.slice(start);
    if (partial.length > MESSAGE_LENGTH_MAX) throw new RangeError('Too long.');
    return frames;
  }

  function readLine(line: string, frames: SseFrame[]): void {
    if (line === '') return dispatch(frames);
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'data') addData(value);
    else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) frames.push({ kind: 'retry', retryMs: Number(value) });
  }

  function addData(value: string): void {
    data += value + '\n';
    if (data.length > MESSAGE_LENGTH_MAX) throw new RangeError('Too long.');
  }

  function dispatch(frames: SseFrame[]): void {
    if (data !== '') frames.push({ kind: 'message', event: event || 'message', data: data.slice(0, -1), id });
    else if (id !== idOfLastFrame) frames.push({ kind: 'id', id });
    idOfLastFrame = id;
    event = '';
    data = '';
  }
}
