import type { Seeded } from '../kit/seeded.ts';

const HOST = 'Host: localhost\r\n';
const KEY = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const ACCEPTS = ['text/event-stream', 'application/json', '*/*', 'image/png', 'text/event-stream, application/json'];
const BODIES = [
  '',
  'Content-Length: 5\r\n\r\nhello',
  'Content-Length: 5\r\n\r\nhe',
  'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
];
const TYPES = ['application/json', 'application/x-ndjson', 'text/plain', 'application/cloudevents+json', 'nonsense'];
const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PATCH', 'PUT', 'TRACE', 'CONNECT', 'PRI', 'SOURCE'];

/** Pipelined requests of one connection: valid, invalid, and cut anywhere. */
export function pipeline(seeded: Seeded): Buffer {
  const count = 1 + seeded.below(6);
  const bytes = Buffer.concat(Array.from({ length: count }, () => Buffer.from(request(seeded), 'latin1')));
  if (seeded.below(8) === 0) bytes[seeded.below(bytes.length)] = seeded.below(256);
  return seeded.below(4) === 0 ? bytes.subarray(0, 1 + seeded.below(bytes.length)) : bytes;
}

/** A pattern that no other client uses, and that shares no token with others. */
export function uniquePattern(seeded: Seeded, tokens = 12): string {
  const name = (): string => Math.floor(seeded.fraction() * 2 ** 40).toString(36);
  return Array.from({ length: tokens }, (_, at) => (at > 0 && seeded.below(3) === 0 ? '*' : name())).join('.');
}

/** A poll for channels that no other client uses, as in pipelines: hubs cache it for a while. */
export function rarePoll(seeded: Seeded): string {
  return get(`/v1/events?${channels(seeded)}`, '');
}

function request(seeded: Seeded): string {
  switch (seeded.below(12)) {
    case 0:
    case 1:
      return get(`/v1/events?channel=${channel(seeded)}&wait=${seeded.pick([0, 1, 5, 60])}`, accept(seeded));
    case 2:
    case 3:
      return get(
        `/v1/events?channel=${channel(seeded)}&after=${seeded.pick(['now', 'earliest', 'nonsense'])}`,
        accept(seeded),
      );
    case 4:
      return get(`/v1/events?${channels(seeded)}`, accept(seeded));
    case 5:
      return upgrade(seeded);
    case 6:
      return `CONNECT ${seeded.pick(['a', 'a:1', '/'])} HTTP/1.1\r\n${HOST}${body(seeded)}`;
    case 7:
      return seeded.pick([
        '\0\r\n\r\n',
        '\r\n\r\n',
        'hello\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        '\x16\x03\x01\x02\0',
      ]);
    case 8:
    case 9:
      return publish(seeded);
    case 10:
      return get(
        seeded.pick([
          '/healthz',
          '/metrics',
          '/',
          '*',
          'http://localhost/healthz',
          `/v1/channels/${channel(seeded)}/history`,
          '/v1/channels/a',
        ]),
        '',
      );
    default:
      return `${seeded.pick(METHODS)} /v1/events?channel=a HTTP/1.${seeded.below(3)}\r\n${HOST}${seeded.pick(['', 'Expect: 100-continue\r\n', 'Connection: close\r\n', 'Upgrade: h2c\r\n'])}${body(seeded)}`;
  }
}

function get(address: string, headers: string): string {
  return `GET ${address} HTTP/1.1\r\n${HOST}${headers}\r\n`;
}

function accept(seeded: Seeded): string {
  return seeded.below(3) === 0 ? '' : `Accept: ${seeded.pick(ACCEPTS)}\r\n`;
}

function body(seeded: Seeded): string {
  const text = seeded.pick(BODIES);
  return text === '' ? '\r\n' : text;
}

function channel(seeded: Seeded): string {
  return seeded.pick(['fuzz', 'fuzz.1', 'fuzz.*', 'fuzz.>', '*', 'a..b', '%00', '>']);
}

function channels(seeded: Seeded): string {
  return Array.from({ length: 1 + seeded.below(20) }, () => `channel=${uniquePattern(seeded)}`).join('&');
}

function upgrade(seeded: Seeded): string {
  const address = seeded.pick(['/v1/events', '/v1/events?channel=fuzz', '/elsewhere']);
  const frames = seeded.pick(['', '', '\x81\x80\0\0\0\0', '\x88\x80\0\0\0\0', '\x81\x8d\0\0\0\0{"op":"ping"}']);
  return `GET ${address} HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: ${seeded.pick(['websocket', 'websocket', 'h2c'])}\r\n${KEY}${body(seeded)}${frames}`;
}

function publish(seeded: Seeded): string {
  const head = `POST /v1/${seeded.pick(['events', 'channels/fuzz/events', 'users/events'])} HTTP/1.1\r\n${HOST}Content-Type: ${seeded.pick(TYPES)}\r\n`;
  const content = seeded.pick(['{"channel":"fuzz.1","data":1}\n', '[{"channel":"fuzz","data":"x"}]', '{', 'text', '']);
  if (seeded.below(2) === 0)
    return `${head}Content-Length: ${content.length + seeded.pick([0, 0, 0, 5])}\r\n\r\n${content}`;
  const last = seeded.pick(['0\r\n\r\n', '0\r\n\r\n', '', 'Z\r\n']);
  return `${head}Transfer-Encoding: ${seeded.pick(['chunked', 'chunked', 'gzip, chunked', 'gzip'])}\r\n\r\n${content.length.toString(16)}\r\n${content}\r\n${last}`;
}
