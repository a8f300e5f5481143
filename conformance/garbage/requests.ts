import type { ErrorCode } from '@polycast/protocol';

/**
 * Bytes that no client should send, and the code of the refusal; `undefined` if they are harmless
 * and are answered.
 */
export interface Garbage {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly code: ErrorCode | undefined;
}

const HOST = 'Host: localhost\r\n';
const LONG = 'a'.repeat(20_000);
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

/** Requests that are not valid HTTP. */
const HTTP: readonly Garbage[] = [
  { name: 'no HTTP at all', bytes: 'hello world\r\n\r\n', code: 'invalid_request' },
  { name: 'a TLS handshake', bytes: Buffer.from('16030102000100010001fc0303', 'hex'), code: 'invalid_request' },
  { name: 'HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', code: 'invalid_request' },
  { name: 'no Host', bytes: 'GET /healthz HTTP/1.1\r\n\r\n', code: 'invalid_header' },
  { name: 'a header of 20 kB', bytes: `GET / HTTP/1.1\r\n${HOST}X: ${LONG}\r\n\r\n`, code: 'headers_too_large' },
  { name: 'an address of 20 kB', bytes: `GET /${LONG} HTTP/1.1\r\n${HOST}\r\n`, code: 'uri_too_long' },
  {
    name: '2,500 headers',
    bytes: `GET / HTTP/1.1\r\n${HOST}${'abc: d\r\n'.repeat(2500)}\r\n`,
    code: 'headers_too_large',
  },
  { name: 'NUL in a header', bytes: `GET /healthz HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, code: 'invalid_request' },
  { name: 'NUL in the path', bytes: `GET /v1/channels/a\0b HTTP/1.1\r\n${HOST}\r\n`, code: 'invalid_request' },
  {
    name: 'raw UTF-8 in the query',
    bytes: Buffer.from(`GET /v1/events?channel=é HTTP/1.1\r\n${HOST}\r\n`),
    code: 'invalid_request',
  },
  {
    name: 'both lengths',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    code: 'invalid_request',
  },
  {
    name: 'two lengths',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
    code: 'invalid_request',
  },
  {
    name: 'a negative length',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Content-Length: -5\r\n\r\nhello`,
    code: 'invalid_request',
  },
  {
    name: 'a transfer coding that is not known',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`,
    code: 'unsupported_transfer_coding',
  },
  {
    name: 'a transfer coding in addition to chunked',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    code: 'unsupported_transfer_coding',
  },
  { name: 'two hosts', bytes: `GET /healthz HTTP/1.1\r\n${HOST}host: other\r\n\r\n`, code: 'invalid_header' },
  {
    name: 'two hosts that are one',
    bytes: `GET /healthz HTTP/1.1\r\n${HOST}${HOST}\r\n`,
    code: 'invalid_header',
  },
  { name: 'an absolute address', bytes: `GET http://localhost/healthz HTTP/1.1\r\n${HOST}\r\n`, code: undefined },
  {
    name: 'an absolute address without a path',
    bytes: `GET http://localhost HTTP/1.1\r\n${HOST}\r\n`,
    code: 'not_found',
  },
  { name: 'an address of FTP', bytes: `GET ftp://hub/healthz HTTP/1.1\r\n${HOST}\r\n`, code: 'invalid_request' },
  { name: 'CONNECT', bytes: `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`, code: 'method_not_allowed' },
  { name: 'a method of WebDAV', bytes: `PROPFIND /v1/events HTTP/1.1\r\n${HOST}\r\n`, code: 'method_not_allowed' },
  { name: 'TRACE of nothing', bytes: `TRACE / HTTP/1.1\r\n${HOST}\r\n`, code: 'not_found' },
  {
    name: 'an expectation that is not known',
    bytes: post('application/json', '{"channel":"g","data":1}', 'Expect: cake\r\n'),
    code: undefined,
  },
  {
    name: 'an offer of HTTP/2',
    bytes: `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n`,
    code: undefined,
  },
  { name: 'HTTP/1.0', bytes: 'GET /v1/events?channel=a HTTP/1.0\r\n\r\n', code: undefined },
];

/** Invalid paths and headers. */
const API_REQUESTS: readonly Garbage[] = [
  ...[
    ['/v1/channels/%ff', 'not_found'],
    ['/v1/channels/%zz', 'not_found'],
    ['/v1/channels/a%2Fb', 'invalid_channel'],
    ['/v1/channels/__proto__', 'channel_empty'],
    ['/v1/channels/..', 'invalid_channel'],
    [`/v1/channels/${'a'.repeat(201)}`, 'invalid_channel'],
    ['/v1/channels/*', 'invalid_channel'],
    ['/v1/events', 'channel_missing'],
    ['/v1/events?', 'channel_missing'],
    ['/v1/events?&&&', 'channel_missing'],
    ['/v1/events?=a', 'invalid_parameter'],
    ['/v1/events?channel=', 'invalid_pattern'],
    ['/v1/events?channel=%ff', 'invalid_parameter'],
    ['/v1/events?channel=%', 'invalid_parameter'],
    ['/v1/events?channel=%00', 'invalid_pattern'],
    ['/v1/events?channel=a%0d%0aSet-Cookie:b', 'invalid_pattern'],
    ['/v1/events?channel=%ed%a0%80', 'invalid_parameter'],
    ['/v1/events?channel=>.a', 'invalid_pattern'],
    ['/v1/events?channel=a..b', 'invalid_pattern'],
    ['/v1/events?__proto__=a', 'invalid_parameter'],
    ['/v1/events?channel=a&channel[]=b', 'invalid_parameter'],
    ['/v1/events?channel=a&limit=0', 'invalid_parameter'],
    ['/v1/events?channel=a&limit=1e3', 'invalid_parameter'],
    ['/v1/events?channel=a&limit=-1', 'invalid_parameter'],
    ['/v1/events?channel=a&limit=1&limit=2', 'invalid_parameter'],
    ['/v1/events?channel=a&wait=99999999999', 'invalid_parameter'],
    ['/v1/events?channel=a&after=', 'invalid_cursor'],
    ['/v1/events?channel=a&after=0000000000-zzzzzzzzzzz', 'invalid_cursor'],
    [`/v1/events?channel=a&after=${LONG.slice(0, 10_000)}`, 'invalid_cursor'],
    ['/v1/events?channel=a&after=now&history=1', 'invalid_parameter'],
    [`/v1/events?${'type=a&'.repeat(21)}channel=a`, 'invalid_parameter'],
    [`/v1/events?${'channel=a&'.repeat(101)}`, 'too_many_channels'],
    [`/v1/events?${'channel=a&'.repeat(10_000)}`, 'uri_too_long'],
    ['/v1/channels/a/history?before=x', 'invalid_cursor'],
    ['/v1/channels/a/history?limit=1001', 'invalid_parameter'],
    ['/v1/channels/a?wait=a', 'invalid_parameter'],
  ].map(([target, code]) => ({
    name: `GET ${target?.slice(0, 60)}`,
    bytes: `GET ${target} HTTP/1.1\r\n${HOST}\r\n`,
    code: code as ErrorCode,
  })),
  {
    name: 'an Accept that we do not have',
    bytes: `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Accept: image/png\r\n\r\n`,
    code: 'not_acceptable',
  },
  {
    name: 'an invalid Last-Event-ID',
    bytes: `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\nLast-Event-ID: \xff\xfe\r\n\r\n`,
    code: 'invalid_cursor',
  },
  {
    name: 'an If-None-Match of noise',
    bytes: `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}If-None-Match: \x80"\xff\r\n\r\n`,
    code: undefined,
  },
  {
    name: 'a Prefer of noise',
    bytes: `GET /v1/events?channel=a HTTP/1.1\r\n${HOST}Prefer: wait=, ;;=wait; wait=x\r\n\r\n`,
    code: undefined,
  },
  {
    name: 'an invalid WebSocket key',
    bytes: upgrade('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n'),
    code: 'invalid_header',
  },
  {
    name: 'a WebSocket of an old version',
    bytes: upgrade(`Sec-WebSocket-Version: 8\r\n${KEY}`),
    code: 'upgrade_required',
  },
  {
    name: 'a WebSocket subprotocol of others',
    bytes: upgrade(`Sec-WebSocket-Version: 13\r\n${KEY}Sec-WebSocket-Protocol: mqtt, amqp\r\n`),
    code: 'unsupported_subprotocol',
  },
  {
    name: 'a WebSocket of a foreign page',
    bytes: upgrade(`Sec-WebSocket-Version: 13\r\n${KEY}Origin: https://evil.example\r\n`),
    code: 'origin_not_allowed',
  },
  {
    name: 'a WebSocket elsewhere',
    bytes: upgrade(`Sec-WebSocket-Version: 13\r\n${KEY}`, '/nowhere'),
    code: 'not_found',
  },
  {
    name: 'a WebSocket with a query of noise',
    bytes: upgrade(`Sec-WebSocket-Version: 13\r\n${KEY}`, '/v1/events?channel=%ff'),
    code: 'invalid_parameter',
  },
  {
    name: 'a publish of a foreign page',
    bytes: post('application/json', '{"channel":"g","data":1}', 'Origin: https://evil.example\r\n'),
    code: 'origin_not_allowed',
  },
  {
    name: 'an idempotency key of 300 characters',
    bytes: post('application/json', '{"channel":"g","data":1}', `Idempotency-Key: ${'k'.repeat(300)}\r\n`),
    code: 'invalid_header',
  },
  {
    name: 'an idempotency key that is empty',
    bytes: post('application/json', '{"channel":"g","data":1}', 'Idempotency-Key:\r\n'),
    code: 'invalid_header',
  },
  {
    name: 'a type that is not UTF-8',
    bytes: Buffer.from(post('text/plain', 'hi', 'Polycast-Type: \xe9\r\n', '/v1/channels/g/events'), 'latin1'),
    code: 'invalid_header',
  },
  {
    name: 'an invalid media type',
    bytes: post('banana', 'hi', '', '/v1/channels/g/events'),
    code: 'unsupported_media_type',
  },
  {
    name: 'a body in a content coding',
    bytes: post('application/json', '{}', 'Content-Encoding: gzip\r\n'),
    code: 'unsupported_media_type',
  },
];

/** Invalid bodies. */
const BODIES: readonly Garbage[] = [
  ...(
    [
      ['', 'invalid_json'],
      ['{', 'invalid_json'],
      ['{"channel":"g","data":1}x', 'invalid_json'],
      ['{"channel":"g","data":01}', 'invalid_json'],
      ['{"channel":"g","data":NaN}', 'invalid_json'],
      ["{'channel':'g','data':1}", 'invalid_json'],
      ['\ufeff{"channel":"g","data":1}', 'invalid_json'],
      ['{"channel":"g","data":"\u0001"}', 'invalid_json'],
      ['{"channel":"g","data":"\0"}', 'invalid_json'],
      ['{"channel":"g","data":1,}', 'invalid_json'],
      ['null', 'invalid_event'],
      ['42', 'invalid_event'],
      ['"g"', 'invalid_event'],
      ['{}', 'invalid_event'],
      ['{"channel":"g"}', 'invalid_event'],
      ['{"data":1}', 'channel_missing'],
      ['{"channel":1,"data":1}', 'invalid_event'],
      ['{"channel":"g","data":1,"extra":2}', 'invalid_event'],
      ['{"channel":"g","data":1,"__proto__":{"a":1}}', 'invalid_event'],
      ['{"channel":"g","data":1,"constructor":1}', 'invalid_event'],
      ['{"channel":"g","data":1,"data":2}', 'duplicate_member'],
      ['{"channel":"g","channel":"h","data":1}', 'duplicate_member'],
      ['{"channel":"g","\\u0063hannel":"h","data":1}', 'duplicate_member'],
      ['{"channel":"g.","data":1}', 'invalid_channel'],
      ['{"channel":"*","data":1}', 'invalid_channel'],
      ['{"channel":"g\\u0000","data":1}', 'invalid_channel'],
      [`{"channel":"${'a'.repeat(201)}","data":1}`, 'invalid_channel'],
      ['{"channel":"g","type":"","data":1}', 'invalid_event'],
      [`{"channel":"g","type":"${'t'.repeat(201)}","data":1}`, 'invalid_event'],
      ['{"channel":"g","type":"\\ud800","data":1}', 'invalid_event'],
      ['{"channel":"g","idempotencyKey":"","data":1}', 'invalid_event'],
      [`{"channel":"g","data":${'['.repeat(129)}${']'.repeat(129)}}`, 'json_too_deep'],
      [`{"channel":"g","data":${'['.repeat(1_000_000)}`, 'json_too_deep'],
      [`{"channel":"g","data":"${'x'.repeat(300_000)}"}`, 'event_too_large'],
      [`[${'{"channel":"g","data":1},'.repeat(10_000)}{}]`, 'batch_too_large'],
      ['[{"channel":"g","data":1}', 'invalid_json'],
      ['[1 2]', 'invalid_json'],
    ] as const
  ).map(([body, code]) => ({
    name: `the body ${JSON.stringify(body.slice(0, 60))}`,
    bytes: post('application/json', body),
    code,
  })),
  {
    name: 'a body that is not UTF-8',
    bytes: Buffer.from(post('application/json', '{"channel":"g","data":"\xff"}'), 'latin1'),
    code: 'invalid_utf8',
  },
  {
    name: 'a surrogate half in UTF-8',
    bytes: Buffer.from(post('application/json', '{"channel":"g","data":"\xed\xa0\x80"}'), 'latin1'),
    code: 'invalid_utf8',
  },
  {
    name: 'a length of 99 GB',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{`,
    code: 'body_too_large',
  },
  {
    name: 'a chunk size of noise',
    bytes: `POST /v1/events HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n`,
    code: 'invalid_request',
  },
  {
    name: 'a CloudEvent without its attributes',
    bytes: post('application/cloudevents+json', '{"data":1}'),
    code: 'invalid_event',
  },
  {
    name: 'a CloudEvent of another version',
    bytes: post('application/cloudevents+json', '{"specversion":"0.3","id":"1","source":"s","type":"t","channel":"g"}'),
    code: 'invalid_event',
  },
  {
    name: 'a CloudEvent with __proto__',
    bytes: post(
      'application/cloudevents+json',
      '{"specversion":"1.0","id":"1","source":"s","type":"t","channel":"g","__proto__":1}',
    ),
    code: 'invalid_event',
  },
  {
    name: 'a CloudEvent with an attribute twice',
    bytes: post(
      'application/cloudevents+json',
      '{"specversion":"1.0","id":"1","id":"2","source":"s","type":"t","channel":"g"}',
    ),
    code: 'duplicate_member',
  },
  {
    name: 'a CloudEvent header of noise',
    bytes: Buffer.from(
      post('text/plain', 'hi', 'ce-specversion: 1.0\r\nce-id: \xff\r\nce-source: s\r\nce-type: t\r\nce-channel: g\r\n'),
      'latin1',
    ),
    code: 'invalid_header',
  },
];

export const REQUESTS: readonly Garbage[] = [...HTTP, ...API_REQUESTS, ...BODIES];

function post(mediaType: string, body: string, headers = '', target = '/v1/events'): string {
  // Bytes that are not ASCII are counted as they are sent: see the `latin1` above.
  const isLatin1 = /[\x80-\xff]/.test(body) && !/[^\x00-\xff]/.test(body);
  const length = Buffer.byteLength(body, isLatin1 ? 'latin1' : 'utf8');
  return `POST ${target} HTTP/1.1\r\n${HOST}Content-Type: ${mediaType}\r\n${headers}Content-Length: ${length}\r\n\r\n${body}`;
}

function upgrade(headers: string, target = '/v1/events'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n${headers}\r\n`;
}
