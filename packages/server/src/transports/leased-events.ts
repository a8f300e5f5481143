import { encodeCursor, formatTime, textFrameHeaderBytes, writeTextFrameHeader } from '@polycast/protocol';
import type { LeasedEvent } from '../core/subscription/ports.ts';

/** Leased events (PROTOCOL.md section 14.6) as the inside of a JSON array. */
export function leasedJson(epoch: string, events: readonly LeasedEvent[]): Buffer {
  const heads = events.map((event, index) => (index === 0 ? '{' : ',{') + headOf(epoch, event));
  let size = 0;
  for (const [index, { body }] of events.entries()) size += (heads[index] as string).length + body.length + 1;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { body }] of events.entries()) at = write(out, at, heads[index] as string, body);
  return out;
}

/** The same as text frames of a WebSocket, a message each. */
export function leasedFrames(epoch: string, subscription: string, events: readonly LeasedEvent[]): Buffer {
  const start = `{"op":"delivery","subscription":"${subscription}",`;
  const heads = events.map((event) => start + headOf(epoch, event));
  const payloads = events.map(({ body }, index) => (heads[index] as string).length + body.length + 1);
  let size = 0;
  for (const payloadBytes of payloads) size += textFrameHeaderBytes(payloadBytes) + payloadBytes;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { body }] of events.entries()) {
    at = writeTextFrameHeader(out, at, payloads[index] as number);
    at = write(out, at, heads[index] as string, body);
  }
  return out;
}

/** All but the event's body; nothing in it is beyond ASCII. */
function headOf(epoch: string, { lease, delivery, leaseEndsMs, position }: LeasedEvent): string {
  const ends = formatTime(leaseEndsMs);
  return `"lease":"${lease}","delivery":${delivery},"leaseEnds":"${ends}","event":{"id":"${encodeCursor(epoch, position)}",`;
}

function write(out: Buffer, offset: number, head: string, body: Uint8Array): number {
  let at = offset + out.write(head, offset, 'latin1');
  out.set(body, at);
  at += body.length;
  out[at] = CLOSE;
  return at + 1;
}

const CLOSE = 0x7d;
