import { textFrameHeaderBytes, writeTextFrameHeader } from '@polycast/protocol';

/** A text message as one frame. */
export function textFrame(text: string): Buffer {
  const payloadBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(textFrameHeaderBytes(payloadBytes) + payloadBytes);
  frame.write(text, writeTextFrameHeader(frame, 0, payloadBytes));
  return frame;
}

/**
 * A text message of ASCII as one frame, whose characters are the bytes: it is written as `latin1`,
 * and needs no buffer.
 */
export function asciiTextFrame(ascii: string): string {
  return header.toString('latin1', 0, writeTextFrameHeader(header, 0, ascii.length)) + ascii;
}

const header = Buffer.alloc(textFrameHeaderBytes(Infinity));

/** A close frame (RFC 6455 section 5.5.1): a code, and a reason of at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.allocUnsafe(2 + Math.min(123, Buffer.byteLength(reason)));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return controlFrame(0x8, payload);
}

/** A pong frame (RFC 6455 section 5.5.3): it repeats the payload of its ping, at most 125 bytes. */
export function pongFrame(payload: Uint8Array): Buffer {
  return controlFrame(0xa, payload);
}

function controlFrame(opcode: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(2 + payload.length);
  frame[0] = 0x80 | opcode;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}
