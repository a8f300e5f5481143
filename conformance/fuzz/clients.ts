import { clientFrame, rawConnection, UPGRADE_HEADERS, type RawSocket } from '../kit/wire/raw-socket.ts';
import { rawHttp2 } from '../kit/wire/http2-frames.ts';
import { http2Noise } from '../kit/wire/http2-noise.ts';
import type { Seeded } from '../kit/seeded.ts';
import { pipeline, uniquePattern } from './requests.ts';

/** The behaviour of one kind of client. Resolves with the number of bytes that it sent. */
export type FuzzClient = (hub: string, seeded: Seeded) => Promise<number>;

/**
 * HTTP/1.1, over TLS if the hub has it: one pipeline in several pieces, with one of the possible
 * endings.
 */
export const runPipeline: FuzzClient = async (hub, seeded) => {
  const raw = await rawConnection(hub);
  const bytes = pipeline(seeded);
  await sendInPieces(raw, bytes, seeded);
  await end(raw, seeded);
  return bytes.length;
};

/**
 * A WebSocket session: operations, fragments, control frames and random bytes, with one of the
 * possible endings.
 */
export const runWebSocket: FuzzClient = async (hub, seeded) => {
  const raw = await rawConnection(hub);
  const query = seeded.pick(['', '?channel=fuzz.>', '?channel=fuzz&history=5', '?channel=fuzz&after=earliest']);
  raw.send(`GET /v1/events${query} HTTP/1.1\r\nHost: localhost\r\n${UPGRADE_HEADERS}\r\n`);
  if (seeded.below(4) > 0) await raw.receives(/"op":"ready"/);
  const bytes = Buffer.concat(Array.from({ length: 1 + seeded.below(12) }, () => message(seeded)));
  if (seeded.below(6) === 0) bytes[seeded.below(bytes.length)] = seeded.below(256);
  await sendInPieces(raw, bytes, seeded);
  await end(raw, seeded);
  return bytes.length;
};

/** An HTTP/2 connection with valid frames, in random order. */
export const runHttp2: FuzzClient = async (hub, seeded) => {
  const raw = await rawHttp2(hub, {
    replenishesWindow: seeded.below(2) === 0,
    windowBytes: seeded.pick([0, 100, 65_535]),
    acknowledgesSettings: false,
  });
  let sent = 0;
  for (let left = 2 + seeded.below(30); left > 0 && !raw.closed; left--) {
    const bytes = http2Noise(seeded);
    if (seeded.below(40) === 0) bytes[seeded.below(bytes.length)] = seeded.below(256);
    raw.send(bytes);
    sent += bytes.length;
    if (seeded.below(20) === 0) await turns(1);
  }
  await turns(seeded.below(20));
  if (seeded.below(2) === 0) raw.reset();
  else raw.destroy();
  return sent;
};

async function sendInPieces(raw: RawSocket, bytes: Buffer, seeded: Seeded): Promise<void> {
  const pieces = seeded.pick([1, 1, 2, 3, 10]);
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(1, Math.min(bytes.length - at, Math.ceil((seeded.fraction() * 2 * bytes.length) / pieces)));
    raw.send(bytes.subarray(at, at + size));
    at += size;
    if (pieces > 1) await turns(1 + seeded.below(3));
  }
}

async function end(raw: RawSocket, seeded: Seeded): Promise<void> {
  await turns(seeded.pick([0, 1, 2, 5, 20]));
  if (seeded.below(3) === 0) {
    raw.socket.end();
    await turns(seeded.below(10));
  }
  if (seeded.below(2) === 0) raw.reset();
  else raw.destroy();
}

function message(seeded: Seeded): Buffer {
  const text = (value: object | string): Buffer =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  switch (seeded.below(9)) {
    case 0:
      return clientFrame(1, text({ op: 'subscribe', ref: 1, channels: ['fuzz', uniquePattern(seeded)] }));
    case 1:
      return clientFrame(1, text({ op: 'unsubscribe', channels: ['fuzz'] }));
    case 2:
      return clientFrame(1, text({ op: 'publish', channel: 'fuzz.1', data: seeded.below(100) }));
    case 3:
      return clientFrame(
        1,
        text(seeded.pick(['{"op":"ping"}', '{"op":"pull"}', '{"op":"nonsense"}', '{', '[]', 'null'])),
      );
    case 4:
      return clientFrame(seeded.pick([9, 10]), Buffer.alloc(seeded.below(126)));
    case 5:
      return clientFrame(
        8,
        seeded.pick([Buffer.alloc(0), Buffer.from([3, 232]), Buffer.from([15, 160, 97]), Buffer.from([3])]),
      );
    case 6:
      return fragments(text({ op: 'ping', ref: 'f'.repeat(seeded.below(60)) }), seeded);
    case 7:
      return clientFrame(seeded.below(16), Buffer.alloc(seeded.below(300)), {
        final: seeded.below(2) === 0,
        masked: seeded.below(8) > 0,
      });
    default:
      return Buffer.from(Array.from({ length: 1 + seeded.below(40) }, () => seeded.below(256)));
  }
}

/** A message in pieces of one byte or more, with some pings between them. */
function fragments(bytes: Buffer, seeded: Seeded): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + seeded.below(8);
    frames.push(clientFrame(at === 0 ? 1 : 0, bytes.subarray(at, at + size), { final: at + size >= bytes.length }));
    if (seeded.below(5) === 0) frames.push(clientFrame(9, Buffer.alloc(3)));
    at += size;
  }
  return Buffer.concat(frames);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
