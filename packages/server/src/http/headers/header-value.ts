import type { IncomingMessage } from 'node:http';

/**
 * The value of a request header. Several values are joined with commas; every header that affects
 * the request rejects such a value.
 */
export function headerValue({ headers }: Pick<IncomingMessage, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/**
 * The UTF-8 of a text with one character per byte, which is how Node reads and writes the values of
 * headers. Example: `ü` is `Ã¼`.
 */
export function toByteText(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** The bytes of such a text. A client may have sent others than UTF-8. */
export function bytesOfText(byteText: string): Buffer {
  return Buffer.from(byteText, 'latin1');
}

/** Whether a text is the same with one character per byte: printable ASCII. */
export function isPlainText(byteText: string): boolean {
  return /^[\x20-\x7e]*$/.test(byteText);
}
