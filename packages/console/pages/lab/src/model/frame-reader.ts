/** A WebSocket frame (RFC 6455, section 5.2) with its payload unmasked, one character per byte. */
export interface Frame {
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: string;
  /** Including its header. */
  readonly byteCount: number;
}

const OPCODES: Readonly<Record<number, string>> = {
  0: 'continuation',
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};

export function frameName(frame: Frame): string {
  return OPCODES[frame.opcode] ?? `opcode ${frame.opcode}`;
}

/** Reads one direction of a WebSocket. */
export class FrameReader {
  #buffer = '';

  feed(bytes: string): Frame[] {
    this.#buffer += bytes;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#buffer.length < 2) return undefined;
    const second = this.#buffer.charCodeAt(1);
    const masked = (second & 0x80) !== 0;
    const lengthCode = second & 0x7f;
    const lengthBytes = lengthCode === 127 ? 8 : lengthCode === 126 ? 2 : 0;
    const headerBytes = 2 + lengthBytes + (masked ? 4 : 0);
    if (this.#buffer.length < headerBytes) return undefined;
    const byteCount = headerBytes + (lengthBytes === 0 ? lengthCode : this.#number(2, lengthBytes));
    if (this.#buffer.length < byteCount) return undefined;
    const opcode = this.#buffer.charCodeAt(0) & 0x0f;
    const raw = this.#buffer.slice(headerBytes, byteCount);
    const payload = masked ? unmask(raw, this.#buffer.slice(headerBytes - 4, headerBytes)) : raw;
    this.#buffer = this.#buffer.slice(byteCount);
    return { opcode, masked, payload, byteCount };
  }

  #number(at: number, byteCount: number): number {
    let number = 0;
    for (let index = 0; index < byteCount; index++) number = number * 256 + this.#buffer.charCodeAt(at + index);
    return number;
  }
}

function unmask(payload: string, key: string): string {
  let text = '';
  for (let index = 0; index < payload.length; index++)
    text += String.fromCharCode(payload.charCodeAt(index) ^ key.charCodeAt(index % 4));
  return text;
}
