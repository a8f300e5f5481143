// The part of HTTP/2 (RFC 9113) that a reader of many streams needs.
const headBytes = 9;
const dataType = 0;
const headersType = 1;
const settingsType = 4;
const windowUpdateType = 8;
const acknowledge = 1;
const endStreamAndHeaders = 5;
const initialWindowSize = 4;
const windowMax = 2 ** 31 - 1;

/** The first frames of a client: windows that are never full, and a number of event streams. */
export function opening(path: string, streams: number): Buffer {
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(initialWindowSize);
  settings.writeUInt32BE(windowMax, 2);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(windowMax - 65_535);
  const fields = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', 'localhost'],
    [':path', path],
    ['accept', 'text/event-stream'],
  ];
  // Literal, without index and without Huffman (RFC 7541 section 6.2.2).
  const block = Buffer.concat(
    fields.map(([name = '', value = '']) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    ),
  );
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(settingsType, 0, 0, settings),
    frame(windowUpdateType, 0, 0, window),
    ...Array.from({ length: streams }, (_, index) => frame(headersType, endStreamAndHeaders, 2 * index + 1, block)),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Counts the bytes of DATA frames as they arrive, without copying them. */
export class FrameCounter {
  /** The header of a frame that has arrived in part. */
  readonly #head: Buffer = Buffer.alloc(headBytes);
  #headLength = 0;
  /** The number of payload bytes that have not arrived yet. */
  #left = 0;
  #isData = false;

  /** @returns the bytes of data among these */
  feed(chunk: Buffer, answer: (frame: Buffer) => void): number {
    let data = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        if (this.#isData) data += taken;
        this.#left -= taken;
        at += taken;
        continue;
      }
      const taken = Math.min(headBytes - this.#headLength, chunk.length - at);
      chunk.copy(this.#head, this.#headLength, at, at + taken);
      this.#headLength += taken;
      at += taken;
      if (this.#headLength === headBytes) this.#begin(answer);
    }
    return data;
  }

  #begin(answer: (frame: Buffer) => void): void {
    const head = this.#head;
    this.#headLength = 0;
    this.#left = head.readUIntBE(0, 3);
    this.#isData = head[3] === dataType;
    if (head[3] === settingsType && head[4] !== acknowledge)
      answer(frame(settingsType, acknowledge, 0, Buffer.alloc(0)));
  }
}
