import type { Case } from '../suite/case.ts';
import { allEvents, problemOf, publish, publishData, refusal } from './steps.ts';

const LINES = { 'Content-Type': 'application/x-ndjson' };
const result = { id: '<cursor>', channel: '{c}', time: '<time>' };
const CLOUD = { specversion: '1.0', id: '{key}', source: '/shop', type: 'order.made' };
const HUB_CHANNELS = ['polycast.users.online', 'polycast.subscriptions.{c}'];

/** Section 8, and the part of section 13 that reserves the hub's own channels. */
export const PUBLISHING: readonly Case[] = [
  {
    name: 'one object gets 201, and is there for all from then on',
    sections: ['8.1', '8.2'],
    steps: [
      publish({ channel: '{c}', data: 1 }, undefined, 'e'),
      allEvents('{c}', '{"id":"{e}","channel":"{c}","time":"<time>","data":1}'),
      ...[
        ['{"channel":"{c}"}', 'invalid_event'],
        ['{"data":1}', 'channel_missing'],
        ['[1', 'invalid_json'],
        ['7', 'invalid_event'],
      ].map(([body, code]) => publish(body as string, code as 'invalid_event')),
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'text/plain' },
        body: 'x',
        answer: refusal('unsupported_media_type'),
      },
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
        body: '{}',
        answer: refusal('unsupported_media_type'),
      },
      publish({ channel: '{c}', data: 'x'.repeat(300_000) }, 'event_too_large'),
    ],
  },
  {
    name: 'only the hub publishes to its own channels, by any route',
    sections: ['13.1'],
    steps: [
      ...HUB_CHANNELS.flatMap((channel) => [
        publish({ channel, data: 1 }, 'forbidden'),
        publish({ ...CLOUD, channel }, 'forbidden', undefined, {
          'Content-Type': 'application/cloudevents+json',
        }),
        {
          request: `POST /v1/channels/${channel}/events`,
          headers: { 'Content-Type': 'text/plain' },
          body: 'x',
          answer: refusal('forbidden'),
        },
        {
          request: 'POST /v1/events',
          body: [
            { channel, data: 1 },
            { channel: '{c}', data: 2 },
          ],
          answer: {
            status: 200,
            json: [problemOf('forbidden', 403, { detail: '<any>', channel: '<any>', rule: '<any>' }), result],
          },
        },
        {
          request: 'POST /v1/events',
          headers: LINES,
          body: `{"channel":"${channel}","data":1}`,
          answer: { status: 200, text: '{"error":{<any>"code":"forbidden"<any>}}\n' },
        },
      ]),
      {
        webSocket: '/v1/events',
        turns: [
          { receive: '{"op":"ready","cursor":"<cursor>","session":"<text>","heartbeatMs":"<number>"}' },
          { send: '{"op":"publish","ref":1,"channel":"polycast.x","data":1}' },
          {
            receive:
              '{"op":"publish","ref":1,"ok":false,"error":{"type":"<any>","title":"<any>","status":403,"code":"forbidden","detail":"<any>","retryable":false,"channel":"<any>","rule":"<any>"}}',
          },
        ],
      },
    ],
  },
  {
    name: 'an array gets a result each, in order',
    sections: ['8.1'],
    steps: [
      {
        request: 'POST /v1/events',
        body: [
          { channel: '{c}', data: 1 },
          { channel: '{c}.', data: 2 },
          { channel: '{c}', data: 3 },
        ],
        answer: { status: 200, json: [result, problemOf('invalid_channel', 400, { detail: '<any>' }), result] },
      },
      { request: 'POST /v1/events', body: [], answer: { status: 200, json: [] } },
      {
        request: 'POST /v1/events',
        body: Array.from({ length: 10_001 }, () => ({})),
        answer: refusal('batch_too_large'),
      },
      publish('[{"channel":"{c}","data":4},]', 'invalid_json'),
      { request: 'GET /v1/channels/{c}', answer: { status: 200, text: '3' } },
    ],
  },
  {
    name: 'lines get a result each, in order',
    sections: ['8.1'],
    steps: [
      {
        request: 'POST /v1/events',
        headers: LINES,
        body: '{"channel":"{c}","data":1}\n\nnonsense\r\n{"channel":"{c}","data":2}',
        answer: {
          status: 200,
          headers: { 'Content-Type': 'application/x-ndjson' },
          text: '{"id":"<cursor>","channel":"{c}","time":"<time>"}\n{"error":{<any>"code":"invalid_json"<any>}}\n{"id":"<cursor>","channel":"{c}","time":"<time>"}\n',
        },
      },
      { request: 'POST /v1/events', headers: LINES, body: '', answer: { status: 200, text: '' } },
    ],
  },
  {
    name: 'JSON with another charset than UTF-8 is refused',
    sections: ['8.1', '8.3'],
    steps: [
      ...['application/json', 'application/x-ndjson', 'application/cloudevents+json'].map((mediaType) => ({
        request: 'POST /v1/events',
        headers: { 'Content-Type': `${mediaType}; charset=utf-16` },
        body: JSON.stringify({ ...CLOUD, channel: '{c}' }),
        answer: refusal('unsupported_media_type'),
      })),
      ...['application/json', 'application/vnd.x+json', 'application/cloudevents+json'].map((mediaType) => ({
        request: 'POST /v1/channels/{c}/events',
        headers: { 'Content-Type': `${mediaType};charset="ISO-8859-1"` },
        body: JSON.stringify(CLOUD),
        answer: refusal('unsupported_media_type'),
      })),
      publish('{"channel":"{c}","data":"é"}', undefined, 'e', { 'Content-Type': 'application/json; charset="UTF-8"' }),
      allEvents('{c}', '{"id":"{e}","channel":"{c}","time":"<time>","data":"é"}'),
    ],
  },
  {
    name: 'a body of any media type becomes the data',
    sections: ['8.3', '10.1'],
    steps: [
      ...[
        ['application/json', '{"a": 1e400}', '"data":{"a": 1e400}'],
        ['application/vnd.x+json', '[1]', '"datacontenttype":"application/vnd.x+json","data":[1]'],
        ['text/html; charset=utf-8', '<p>"é"', '"datacontenttype":"text/html; charset=utf-8","data":"<p>\\"é\\""'],
        ['application/xml', '<a/>', '"datacontenttype":"application/xml","data":"<a/>"'],
        ['application/octet-stream', 'hi', '"datacontenttype":"application/octet-stream","data_base64":"aGk="'],
        [
          'text/plain; charset=iso-8859-1',
          'hi',
          '"datacontenttype":"text/plain; charset=iso-8859-1","data_base64":"aGk="',
        ],
      ].flatMap(([mediaType = '', body = '', members], index) => [
        publishData(`{c}.${index}`, mediaType, body),
        allEvents(`{c}.${index}`, `{"id":"<cursor>","channel":"{c}.${index}","time":"<time>",${members}}`),
        {
          request: `GET /v1/channels/{c}.${index}`,
          answer: { status: 200, text: body, headers: { 'Content-Type': mediaType } },
        },
      ]),
      {
        request: 'POST /v1/channels/{c}/events',
        headers: { 'Content-Type': 'application/json' },
        body: '{',
        answer: refusal('invalid_json'),
      },
      {
        request: 'POST /v1/channels/{c}/events',
        headers: { 'Content-Type': 'nothing' },
        body: 'x',
        answer: refusal('unsupported_media_type'),
      },
      {
        request: 'POST /v1/channels/a..b/events',
        headers: { 'Content-Type': 'text/plain' },
        body: 'x',
        answer: refusal('invalid_channel'),
      },
    ],
  },
  {
    name: 'a form is refused, unless it is the data of a CloudEvent',
    sections: ['8.3', '8.5', '13.5'],
    steps: [
      ...['/v1/events', '/v1/channels/{c}/events', '/v1/users/{c}/events', '/v1/users/events'].flatMap((path) =>
        ['application/x-www-form-urlencoded', 'Application/X-WWW-Form-Urlencoded; charset=UTF-8'].map((mediaType) => ({
          request: `POST ${path}`,
          headers: { 'Content-Type': mediaType },
          body: '{"a":1}',
          answer: refusal('unsupported_media_type'),
        })),
      ),
      { request: 'GET /v1/channels/{c}', answer: refusal('channel_empty') },
      publishData('{c}', 'application/x-www-form-urlencoded', 'a=1&b=2', undefined, {
        'ce-specversion': '1.0',
        'ce-id': '{key}',
        'ce-source': '/shop',
        'ce-type': 'form.sent',
      }),
      {
        request: 'GET /v1/channels/{c}',
        answer: { status: 200, text: 'a=1&b=2', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
      },
    ],
  },
  {
    name: 'If-Match publishes only behind the event that it names, If-None-Match only into an empty channel',
    sections: ['8.3'],
    steps: [
      publishData('{c}', 'text/plain', 'a', 'first', { 'If-None-Match': '*' }),
      {
        request: 'POST /v1/channels/{c}/events',
        headers: { 'Content-Type': 'text/plain', 'If-None-Match': '*' },
        body: 'b',
        answer: {
          status: 412,
          json: {
            type: '<any>',
            title: '<any>',
            status: 412,
            code: 'precondition_failed',
            retryable: false,
            latest: '{first}',
          },
        },
      },
      publishData('{c}', 'text/plain', 'c', 'second', { 'If-Match': '"{first}"' }),
      publishData('{c}', 'text/plain', 'd', 'third', { 'If-Match': '{second}' }),
      {
        request: 'POST /v1/channels/{c}/events',
        headers: { 'Content-Type': 'text/plain', 'If-Match': '"{second}"' },
        body: 'e',
        answer: refusal('precondition_failed'),
      },
      publish({ channel: '{c}', data: 1, ifMatch: '{first}' }, 'precondition_failed'),
      publish({ channel: '{c}', data: 1, ifMatch: '0000000000-00000000001' }, 'precondition_failed'),
      publish({ channel: '{c}', data: 1, ifMatch: '{third}' }, undefined, 'fourth'),
      publishData('{c}', 'text/plain', 'f', 'fifth', { 'If-Match': '"{first}", "{fourth}"' }),
      publishData('{c}', 'text/plain', 'g', 'sixth', { 'If-Match': '*' }),
      publish({ channel: '{c}', data: 1, ifMatch: '*' }),
      ...[
        ['{c}', { 'If-Match': '"{first}", "{second}"' }, 'precondition_failed'],
        ['{c}', { 'If-None-Match': ' * ' }, 'precondition_failed'],
        ['{c}', { 'If-None-Match': '"{first}"' }, 'invalid_header'],
        ['{c}', { 'If-None-Match': '*', 'If-Match': '*' }, 'invalid_header'],
        ['{c}.none', { 'If-Match': '*' }, 'precondition_failed'],
        ['{c}.none', { 'If-Match': '"{first}", "{second}"' }, 'precondition_failed'],
      ].map(([channel, headers, code]) => ({
        request: `POST /v1/channels/${channel as string}/events`,
        headers: { 'Content-Type': 'text/plain', ...(headers as Readonly<Record<string, string>>) },
        body: 'h',
        answer: refusal(code as 'invalid_header'),
      })),
      {
        request: 'POST /v1/channels/{c}.empty/events',
        headers: { 'Content-Type': 'text/plain', 'If-Match': '"{first}"' },
        body: 'x',
        answer: {
          status: 412,
          json: {
            type: '<any>',
            title: '<any>',
            status: 412,
            code: 'precondition_failed',
            retryable: false,
            latest: null,
          },
        },
      },
    ],
  },
  {
    name: 'an idempotency key gets its first answer again',
    sections: ['8.4'],
    steps: [
      {
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}' },
        body: { channel: '{c}', data: 1 },
        answer: {
          status: 201,
          headers: { 'Idempotency-Replayed': null },
          text: '{"id":"<cursor:id>","channel":"{c}","time":"<time:time>"}',
        },
      },
      {
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}' },
        body: { channel: '{c}', data: 1 },
        answer: {
          status: 201,
          headers: { 'Idempotency-Replayed': 'true' },
          text: '{"id":"{id}","channel":"{c}","time":"{time}"}',
        },
      },
      publish({ channel: '{c}', data: 2 }, 'idempotency_key_reused', undefined, { 'Idempotency-Key': '{key}' }),
      publish({ channel: '{c}.b', data: 1 }, 'idempotency_key_reused', undefined, { 'Idempotency-Key': '{key}' }),
      publish({ channel: '{c}', type: 't', data: 1 }, 'idempotency_key_reused', undefined, {
        'Idempotency-Key': '{key}',
      }),
      {
        request: 'POST /v1/events',
        body: { channel: '{c}', data: 1, idempotencyKey: '{key}' },
        answer: { status: 201, headers: { 'Idempotency-Replayed': 'true' } },
      },
      {
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}.list' },
        body: [
          { channel: '{c}', data: 5 },
          { channel: '{c}', data: 6 },
        ],
        answer: {
          status: 200,
          headers: { 'Idempotency-Replayed': null },
          json: [
            { ...result, id: '<cursor:zero>' },
            { ...result, id: '<cursor:one>' },
          ],
        },
      },
      {
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}.list' },
        body: [
          { channel: '{c}', data: 5 },
          { channel: '{c}', data: 6 },
        ],
        answer: {
          status: 200,
          headers: { 'Idempotency-Replayed': 'true' },
          json: [
            { ...result, id: '{zero}' },
            { ...result, id: '{one}' },
          ],
        },
      },
      ...[{ channel: '{c}', data: 7 }, { channel: '{c}' }].map((second, index) => ({
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}.list' },
        body: [
          { channel: '{c}', data: 5 },
          { ...second, idempotencyKey: `{key}.new.${index}` },
        ],
        answer: { status: 200, headers: { 'Idempotency-Replayed': null } },
      })),
      {
        request: 'POST /v1/events',
        headers: { ...LINES, 'Idempotency-Key': '{key}.list' },
        body: '{"channel":"{c}","data":5}\n{"channel":"{c}","data":6}',
        answer: {
          status: 200,
          headers: { 'Idempotency-Replayed': null },
          text: '{"id":"{zero}",<any>\n{"id":"{one}",<any>\n',
        },
      },
      {
        request: 'POST /v1/events',
        headers: { 'Idempotency-Key': '{key}.list#1' },
        body: { channel: '{c}', data: 6 },
        answer: { status: 201, text: '{"id":"{one}",<any>' },
      },
      publish({ channel: '{c}', data: 1 }, 'invalid_header', undefined, { 'Idempotency-Key': 'k'.repeat(256) }),
      publish({ channel: '{c}', data: 1, idempotencyKey: '' }, 'invalid_event'),
    ],
  },
];
