import { encodePosition } from './cursor.ts';

/**
 * A framing writes an event's JSON into the bytes of a transport. It only knows sizes and offsets;
 * the core decides which events are joined, and for which consumers. All framings write the same
 * JSON: `{"id":"<cursor>",` and then the stored body.
 */
export interface Framing {
  /** Each framing has a name of its own. */
  readonly name: string;
  /** The size in bytes of the frame of an event with a body of this size. */
  size(bodyBytes: number): number;
  /** Writes one event at `offset` and returns the offset of the next one. */
  write(out: Uint8Array, offset: number, epoch: string, position: number, body: Uint8Array): number;
  /** The offset of the JSON of the event at `offset`. */
  jsonOffset(bytes: Uint8Array, offset: number): number;
  /** The end of the frame at `offset`. */
  frameEnd(bytes: Uint8Array, offset: number): number;
  /** The bytes around all events of one write, for framings that have them. */
  readonly wrapper?: FrameWrapper;
}

/** A wrapper: the bytes around events that are written together. Empty content is never wrapped. */
export interface FrameWrapper {
  /** The number of bytes before content of this size. */
  prefixBytes(contentBytes: number): number;
  readonly suffixBytes: number;
  /**
   * Writes the bytes before and after the content, which begins at `prefixBytes(contentBytes)`;
   * `out` holds all three.
   */
  write(out: Uint8Array, contentBytes: number): void;
  /** The offset of the content. */
  contentOffset(bytes: Uint8Array): number;
}

/** `{"id":"` + 22 characters + `",` */
const JSON_PREFIX_BYTES = 31;

/** `id: <cursor>\ndata: <event>\n\n` (PROTOCOL.md section 6.2). */
export const sseFraming: Framing = {
  name: 'sse',
  size: (bodyBytes) => 4 + 22 + 7 + JSON_PREFIX_BYTES + bodyBytes + 2,
  write(out, offset, epoch, position, body) {
    const cursor = epoch + '-' + encodePosition(position);
    let at = writeAscii(out, offset, 'id: ' + cursor + '\ndata: {"id":"' + cursor + '",');
    out.set(body, at);
    at += body.length;
    out[at++] = 10;
    out[at++] = 10;
    return at;
  },
  jsonOffset: (_bytes, offset) => offset + 4 + 22 + 7,
  // An event contains no line break.
  frameEnd: (bytes, offset) => bytes.indexOf(10, offset + 4 + 22 + 1) + 2,
};

/**
 * One chunk of HTTP/1.1 for each write (RFC 9112 section 7.1). It has the size of the content in
 * hexadecimal digits, a line end, the content and a line end: `1f\r\nid: …\n\n\r\n`.
 */
const CHUNK_WRAPPER: FrameWrapper = {
  prefixBytes: (contentBytes) => hexDigits(contentBytes) + 2,
  suffixBytes: 2,
  write(out, contentBytes) {
    let at = hexDigits(contentBytes);
    out[at] = 13;
    out[at + 1] = 10;
    for (let remaining = contentBytes; at > 0; remaining = Math.floor(remaining / 16)) {
      const digit = remaining % 16;
      out[--at] = digit < 10 ? 48 + digit : 87 + digit;
    }
    out[out.length - 2] = 13;
    out[out.length - 1] = 10;
  },
  contentOffset: (bytes) => bytes.indexOf(10) + 1,
};

/** A framing with each write as one chunk. */
export function inChunks(framing: Framing): Framing {
  return { ...framing, name: `${framing.name}-chunk`, wrapper: CHUNK_WRAPPER };
}

/** Makes one chunk of a text in ASCII characters. */
export function asciiChunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** The end of a chunked body. */
export const LAST_CHUNK = '0\r\n\r\n';

/** One unmasked text frame for each event (RFC 6455 section 5.2, PROTOCOL.md section 7.2). */
export const webSocketFraming: Framing = {
  name: 'websocket',
  size: (bodyBytes) => textFrameHeaderBytes(JSON_PREFIX_BYTES + bodyBytes) + JSON_PREFIX_BYTES + bodyBytes,
  write(out, offset, epoch, position, body) {
    const at = writeTextFrameHeader(out, offset, JSON_PREFIX_BYTES + body.length);
    return writeEventJson(out, at, epoch, position, body);
  },
  jsonOffset: (bytes, offset) => offset + textFrameHeaderBytes(payloadBytesAt(bytes, offset)),
  frameEnd(bytes, offset) {
    const payloadBytes = payloadBytesAt(bytes, offset);
    return offset + textFrameHeaderBytes(payloadBytes) + payloadBytes;
  },
};

/**
 * Events joined by commas: the inside of a JSON array, with a comma after the last event as well.
 */
export const jsonFraming: Framing = {
  name: 'json',
  size: (bodyBytes) => JSON_PREFIX_BYTES + bodyBytes + 1,
  write(out, offset, epoch, position, body) {
    const at = writeEventJson(out, offset, epoch, position, body);
    out[at] = 44;
    return at + 1;
  },
  jsonOffset: (_bytes, offset) => offset,
  frameEnd: (bytes, offset) => endOfObject(bytes, offset) + 1,
};

/** The size of the header of an unmasked frame with this payload. */
export function textFrameHeaderBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

/** Writes the header of an unmasked, final text frame; returns the offset of its payload. */
export function writeTextFrameHeader(out: Uint8Array, offset: number, payloadBytes: number): number {
  out[offset] = 0x81;
  if (payloadBytes < 126) {
    out[offset + 1] = payloadBytes;
    return offset + 2;
  }
  if (payloadBytes < 65_536) {
    out[offset + 1] = 126;
    out[offset + 2] = payloadBytes >>> 8;
    out[offset + 3] = payloadBytes & 255;
    return offset + 4;
  }
  out[offset + 1] = 127;
  const high = Math.floor(payloadBytes / 0x1_0000_0000);
  for (let index = 0; index < 4; index++) {
    out[offset + 2 + index] = (high >>> (24 - 8 * index)) & 255;
    out[offset + 6 + index] = (payloadBytes >>> (24 - 8 * index)) & 255;
  }
  return offset + 10;
}

/** The payload size in the header of an unmasked text frame. */
function payloadBytesAt(bytes: Uint8Array, offset: number): number {
  const shortLength = bytes[offset + 1] as number;
  const lengthBytes = shortLength < 126 ? 0 : shortLength === 126 ? 2 : 8;
  let length = lengthBytes === 0 ? shortLength : 0;
  for (let index = 0; index < lengthBytes; index++) length = length * 256 + (bytes[offset + 2 + index] as number);
  return length;
}

/** The offset directly behind the valid JSON object that begins at `offset`. */
function endOfObject(bytes: Uint8Array, offset: number): number {
  let depth = 0;
  for (let at = offset; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 34) at = endOfString(bytes, at);
    else if (byte === 123 || byte === 91) depth++;
    else if ((byte === 125 || byte === 93) && --depth === 0) return at + 1;
  }
  return bytes.length;
}

/** The offset of the closing quotation mark of the string that begins at `offset`. */
export function endOfString(bytes: Uint8Array, offset: number): number {
  let at = offset + 1;
  while (at < bytes.length && bytes[at] !== 34) at += bytes[at] === 92 ? 2 : 1;
  return at;
}

function hexDigits(value: number): number {
  let digits = 1;
  for (let remaining = Math.floor(value / 16); remaining > 0; remaining = Math.floor(remaining / 16)) digits++;
  return digits;
}

function writeEventJson(out: Uint8Array, offset: number, epoch: string, position: number, body: Uint8Array): number {
  const at = writeAscii(out, offset, '{"id":"' + epoch + '-' + encodePosition(position) + '",');
  out.set(body, at);
  return at + body.length;
}

function writeAscii(out: Uint8Array, offset: number, text: string): number {
  const { length } = text;
  for (let index = 0; index < length; index++) out[offset + index] = text.charCodeAt(index);
  return offset + length;
}
