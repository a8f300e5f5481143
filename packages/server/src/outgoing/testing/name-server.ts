import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { addressBytes } from './address-range.ts';

/**
 * The answer for a name: its addresses and other names, that the name does not exist, or none at
 * all.
 */
export type Answer = readonly string[] | 'unknown' | 'silent';

export interface NameServer {
  /** The value for the setting `nameServers`. */
  readonly address: string;
  /** The queries received, in order: `A a.example`. */
  readonly queries: string[];
}

/**
 * A DNS server for tests (RFC 1035). `answer` is called for each query. Its addresses answer
 * queries of their own family only.
 */
export async function nameServer(
  answer: (name: string, kind: 'A' | 'AAAA', times: number) => Answer,
): Promise<NameServer> {
  const socket = createSocket('udp4');
  const queries: string[] = [];
  socket.on('message', (message: Buffer, from: RemoteInfo) => {
    const { name, kind, end } = questionOf(message);
    const question = `${kind} ${name}`;
    const times = queries.filter((each) => each === question).length;
    queries.push(question);
    const reply = answer(name, kind, times);
    if (reply !== 'silent') socket.send(answerTo(message, end, kind, reply), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { address: `127.0.0.1:${socket.address().port}`, queries };
}

function questionOf(message: Buffer): { name: string; kind: 'A' | 'AAAA'; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length).toLowerCase());
    at += length + 1;
  }
  return { name: labels.join('.'), kind: message.readUInt16BE(at + 1) === 28 ? 'AAAA' : 'A', end: at + 5 };
}

const NO_SUCH_NAME = 3;

function answerTo(message: Buffer, end: number, kind: 'A' | 'AAAA', said: readonly string[] | 'unknown'): Buffer {
  const records = said === 'unknown' ? [] : said.filter((text) => text.includes(':') === (kind === 'AAAA'));
  const head = Buffer.from(message.subarray(0, 12));
  head.writeUInt16BE(0x8180 + (said === 'unknown' ? NO_SUCH_NAME : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, message.subarray(12, end), ...records.map(recordOf)]);
}

/** A record for the name in the query, with a TTL of 0. */
function recordOf(address: string): Buffer {
  const bytes = addressBytes(address);
  const head = Buffer.from([0xc0, 12, 0, address.includes(':') ? 28 : 1, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}
