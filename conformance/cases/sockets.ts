import type { Case, Exchange } from '../suite/case.ts';
import { refusal } from './steps.ts';

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
const ready = { receive: '{"op":"ready","cursor":"<cursor:start>","session":"<text>","heartbeatMs":"<number>"}' };
const problem = (code: string, status: number, more = ''): string =>
  `{"type":"<any>","title":"<any>","status":${status},"code":"${code}","detail":"<any>","retryable":false${more}}`;
const refusedUpgrade = (target: string, headers: Record<string, string>, answer: Exchange['answer']): Exchange => ({
  request: `GET ${target}`,
  headers: { ...UPGRADE, ...headers },
  answer,
});

/** Section 7; most of it is in the transcripts. */
export const SOCKETS: readonly Case[] = [
  {
    name: 'upgrades that cannot be are refused in HTTP',
    sections: ['7.1', '4.1'],
    steps: [
      refusedUpgrade('/v1/events', { 'Sec-WebSocket-Protocol': 'mqtt, wamp' }, refusal('unsupported_subprotocol')),
      refusedUpgrade(
        '/v1/events',
        { 'Sec-WebSocket-Version': '12' },
        { ...refusal('upgrade_required'), headers: { 'Sec-WebSocket-Version': '13' } },
      ),
      refusedUpgrade('/v1/events', { 'Sec-WebSocket-Key': 'short' }, refusal('invalid_header')),
      refusedUpgrade('/v1/events?channel=a..b', {}, refusal('invalid_pattern')),
      refusedUpgrade('/v1/events?nothing=1', {}, refusal('invalid_parameter')),
      refusedUpgrade('/v1/events?after=nonsense&channel={c}', {}, refusal('invalid_cursor')),
      refusedUpgrade('/v1/events', { Origin: 'https://foreign.example' }, refusal('origin_not_allowed')),
    ],
  },
  {
    name: 'twenty messages that are no operations close with 4400',
    sections: ['7.4', '7.5'],
    steps: [
      {
        webSocket: '/v1/events',
        turns: [
          ready,
          ...Array.from({ length: 20 }, () => [
            { send: 'nonsense' },
            {
              receive: `{"op":"error","ok":false,"error":{"type":"<any>","title":"<any>","status":400,"code":"invalid_json","retryable":false,"offset":0}}`,
            },
          ]).flat(),
          { close: 4400 },
        ],
      },
    ],
  },
  {
    name: 'a message of more than 256 KiB closes with 1009',
    sections: ['7.4', '7.5'],
    steps: [{ webSocket: '/v1/events', turns: [ready, { send: ' '.repeat(256 * 1024 + 1) }, { close: 1009 }] }],
  },
  {
    name: 'refused operations have a reason, and the session continues',
    sections: ['7.3'],
    steps: [
      {
        webSocket: '/v1/events?channel={c}',
        turns: [
          ready,
          { send: '{"op":"subscribe","ref":1,"channels":[]}' },
          {
            receive: `{"op":"subscribe","ref":1,"ok":false,"error":${problem('invalid_message', 400, ',"member":"channels"')}}`,
          },
          { send: '{"op":"subscribe","ref":"two","channels":["a..b"]}' },
          { receive: `{"op":"subscribe","ref":"two","ok":false,"error":${problem('invalid_pattern', 400)}}` },
          { send: '{"op":"publish","ref":3,"data":1}' },
          {
            receive:
              '{"op":"publish","ref":3,"ok":false,"error":{"type":"<any>","title":"<any>","status":400,"code":"channel_missing","retryable":false}}',
          },
          { send: '{"op":"dance","ref":4}' },
          { receive: `{"op":"error","ok":false,"error":${problem('invalid_message', 400, ',"member":"op"')}}` },
          { send: '{"op":"ping"}' },
          { receive: '{"op":"ping","ok":true,"cursor":"<cursor>"}' },
          { close: 1000 },
        ],
      },
    ],
  },
];
