import type { Case } from '../suite/case.ts';
import { everything, publish, publishData, refusal } from './steps.ts';

const LINES = { 'Content-Type': 'application/x-ndjson' };
const result = { id: '<cursor>', channel: '{c}', time: '<time>' };
const CLOUD = { specversion: '1.0', id: '{key}', source: '/shop', type: 'order.made' };
const HUB_CHANNELS = ['polycast.users.online', 'polycast.subscriptions.{c}'];
const BINARY = { 'ce-specversion': '1.0', 'ce-id': '{key}', 'ce-source': '/shop', 'ce-type': 'order.made' };
const TIMES_THAT_ARE_NONE = ['yesterday', '', 5, '2026-01-02', '2026-01-02T03:04:05', '2026-02-30T00:00:00Z'];
const PROBLEM_OF = (code: string, status: number, more: object = {}): object => ({
  error: { type: '<any>', title: '<any>', status, code, retryable: false, ...more },
});

/** Sections 8, 9 and 10. */
export const PUBLISHING: readonly Case[] = [
  {
    name: 'one object gets 201, and is there for all from then on',
    sections: ['8.1', '8.2'],
    steps: [
      publish({ channel: '{c}', data: 1 }, undefined, 'e'),
      everything('{c}', '{"id":"{e}","channel":"{c}","time":"<time>","data":1}'),
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
    name: "the hub's own channels are published to by the hub alone, in whatever way it is asked",
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
          answer: { status: 200, json: [PROBLEM_OF('forbidden', 403, { detail: '<any>', rule: '<any>' }), result] },
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
              '{"op":"publish","ref":1,"ok":false,"error":{"type":"<any>","title":"<any>","status":403,"code":"forbidden","detail":"<any>","retryable":false,"rule":"<any>"}}',
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
        answer: { status: 200, json: [result, PROBLEM_OF('invalid_channel', 400, { detail: '<any>' }), result] },
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
    name: 'JSON that says that it is not in UTF-8 is not understood',
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
      everything('{c}', '{"id":"{e}","channel":"{c}","time":"<time>","data":"é"}'),
    ],
  },
  {
    name: 'a body of any media type is the data',
    sections: ['8.3', '10.1'],
    steps: [
      ...[
        ['application/json', '{"a": 1e400}', '"data":{"a": 1e400}'],
        ['application/vnd.x+json', '[1]', '"datacontenttype":"application/vnd.x+json","data":[1]'],
        ['text/html; charset=utf-8', '<p>"é"', '"datacontenttype":"text/html; charset=utf-8","data":"<p>\\"é\\""'],
        [
          'application/x-www-form-urlencoded',
          'a=1&b=2',
          '"datacontenttype":"application/x-www-form-urlencoded","data":"a=1&b=2"',
        ],
        ['application/xml', '<a/>', '"datacontenttype":"application/xml","data":"<a/>"'],
        ['application/octet-stream', 'hi', '"datacontenttype":"application/octet-stream","data_base64":"aGk="'],
        [
          'text/plain; charset=iso-8859-1',
          'hi',
          '"datacontenttype":"text/plain; charset=iso-8859-1","data_base64":"aGk="',
        ],
      ].flatMap(([mediaType = '', body = '', members], index) => [
        publishData(`{c}.${index}`, mediaType, body),
        everything(`{c}.${index}`, `{"id":"<cursor>","channel":"{c}.${index}","time":"<time>",${members}}`),
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
          json: [
            { ...result, id: '<cursor:zero>' },
            { ...result, id: '<cursor:one>' },
          ],
        },
      },
      {
        request: 'POST /v1/events',
        headers: { ...LINES, 'Idempotency-Key': '{key}.list' },
        body: '{"channel":"{c}","data":5}\n{"channel":"{c}","data":6}',
        answer: { status: 200, text: '{"id":"{zero}",<any>\n{"id":"{one}",<any>\n' },
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
  {
    name: 'what contradicts a CloudEvent, or CloudEvents, is refused; a condition holds for one as for any other event',
    sections: ['8.5', '8.3'],
    steps: [
      ...TIMES_THAT_ARE_NONE.map((time) =>
        publish({ ...CLOUD, channel: '{c}', time }, 'invalid_event', undefined, {
          'Content-Type': 'application/cloudevents+json',
        }),
      ),
      ...['2026-02-28T23:59:60.123456Z', '2024-02-29t00:00:00+23:59', null].map((time, index) =>
        publish({ ...CLOUD, id: `{key}.${index}`, channel: '{c}', time }, undefined, undefined, {
          'Content-Type': 'application/cloudevents+json',
        }),
      ),
      ...[
        ['/v1/events', { 'Content-Type': 'application/cloudevents+json' }, { ...CLOUD, channel: '{c}' }],
        ['/v1/events', { 'Content-Type': 'application/cloudevents-batch+json' }, [{ ...CLOUD, channel: '{c}' }]],
        ['/v1/events', { 'Content-Type': 'text/plain', ...BINARY }, 'x'],
        ['/v1/channels/{c}/events', { 'Content-Type': 'application/cloudevents+json' }, CLOUD],
        ['/v1/channels/{c}/events', { 'Content-Type': 'text/plain', ...BINARY }, 'x'],
      ].map(([path, headers, body]) => ({
        request: `POST ${path as string}`,
        headers: { ...(headers as Readonly<Record<string, string>>), 'Idempotency-Key': '{key}' },
        body: body as object,
        answer: refusal('invalid_header'),
      })),
      ...[
        [{ 'Content-Type': 'application/cloudevents+json' }, CLOUD],
        [{ 'Content-Type': 'text/plain', ...BINARY }, 'x'],
      ].map(([headers, body]) => ({
        request: 'POST /v1/channels/{c}/events',
        headers: { ...(headers as Readonly<Record<string, string>>), 'If-None-Match': '*' },
        body: body as object,
        answer: refusal('precondition_failed'),
      })),
    ],
  },
  {
    name: 'CloudEvents come in three modes',
    sections: ['8.5', '8.1'],
    steps: [
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...CLOUD, channel: '{c}', time: '2026-01-02T03:04:05Z', count: 5, data: { a: 1 } }),
        answer: { status: 201, json: { ...result, id: '<cursor:id>' } },
      },
      everything(
        '{c}',
        '{"id":"{id}","channel":"{c}","type":"order.made","time":"<time>","cloudevent":{"specversion":"1.0","id":"{key}","source":"/shop","channel":"{c}","time":"2026-01-02T03:04:05Z","count":5},"data":{"a":1}}',
      ),
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...CLOUD, channel: '{c}', time: '2026-01-02T03:04:05Z', count: 5, data: { a: 1 } }),
        answer: { status: 201, headers: { 'Idempotency-Replayed': 'true' } },
      },
      {
        request: 'POST /v1/events',
        headers: {
          'Content-Type': 'text/plain',
          'ce-specversion': '1.0',
          'ce-id': '{key}.b',
          'ce-source': '/shop',
          'ce-type': 'a%20b',
          'ce-subject': '{c}.binary',
        },
        body: 'hi',
        answer: { status: 201 },
      },
      everything(
        '{c}.binary',
        '{"id":"<cursor>","channel":"{c}.binary","type":"a b","time":"<time>","datacontenttype":"text/plain","cloudevent":{<any>},"data":"hi"}',
      ),
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/cloudevents-batch+json' },
        body: JSON.stringify([
          { ...CLOUD, id: '{key}.c', channel: '{c}', data: 1 },
          { ...CLOUD, id: '{key}.d', specversion: '0.3', channel: '{c}' },
        ]),
        answer: {
          status: 200,
          json: [result, PROBLEM_OF('invalid_event', 400, { detail: '<any>', member: 'specversion' })],
        },
      },
      {
        request: 'POST /v1/channels/{c}.path/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...CLOUD, id: '{key}.e', channel: '{c}', data: 1 }),
        answer: { status: 201, json: { ...result, channel: '{c}.path' } },
      },
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...CLOUD, id: '{key}.f' }),
        answer: refusal('channel_missing'),
      },
    ],
  },
  {
    name: 'members of the envelope that are not listed, or given twice, are refused',
    sections: ['8.6'],
    steps: [
      publish('{"channel":"{c}","data":1,"extra":1}', 'invalid_event'),
      publish('{"channel":"{c}","data":1,"__proto__":{}}', 'invalid_event'),
      publish('{"channel":"{c}","data":1,"id":"x"}', 'invalid_event'),
      publish('{"channel":"{c}","data":1,"data":1}', 'duplicate_member'),
      publish('{"channel":"{c}","chann\\u0065l":"{c}","data":1}', 'duplicate_member'),
      publish('{"channel":"{c}","type":"","data":1}', 'invalid_event'),
    ],
  },
  {
    name: 'half of a surrogate pair is kept within data, and no text of an envelope, a name or a description',
    sections: ['3.2', '8.6', '9.1', '14.1'],
    steps: [
      publish('{"channel":"{c}","data":"\\ud800"}'),
      everything('{c}', '{"id":"<cursor>","channel":"{c}","time":"<time>","data":"\\ud800"}'),
      publish('{"channel":"{c}","type":"\\ud800","data":1}', 'invalid_event'),
      {
        request: 'POST /v1/subscriptions',
        headers: { 'Content-Type': 'application/json' },
        body: '{"channels":["{c}"],"description":"\\ud800","delivery":{"kind":"pull"}}',
        answer: refusal('invalid_body'),
      },
    ],
  },
  {
    name: 'a page of a foreign origin cannot publish',
    sections: ['9.1'],
    steps: [
      publish({ channel: '{c}', data: 1 }, 'origin_not_allowed', undefined, { Origin: 'https://foreign.example' }),
    ],
  },
  {
    name: 'refusals of every kind are problem documents',
    sections: ['9.1'],
    steps: [
      {
        request: 'GET /nowhere',
        answer: { ...refusal('not_found'), headers: { 'Content-Type': 'application/problem+json' } },
      },
      { request: `GET /v1/events?channel={c}&token=${'x'.repeat(40_000)}`, answer: refusal('uri_too_long') },
      {
        request: 'GET /v1/events?channel={c}',
        headers: { Cookie: 'x'.repeat(40_000) },
        answer: refusal('headers_too_large'),
      },
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/json', 'Content-Length': '999999999999' },
        answer: refusal('body_too_large'),
      },
    ],
  },
  {
    name: 'a rate that is exceeded gets 429 with Retry-After',
    sections: ['9.1'],
    needs: 'rules',
    steps: [publish({ channel: '{rated}', data: 1 }), publish({ channel: '{rated}', data: 1 }, 'rate_limited')],
  },
  {
    name: 'a channel shows its newest data, with what is known of it',
    sections: ['10.1'],
    steps: [
      { request: 'GET /v1/channels/{c}', answer: refusal('channel_empty') },
      publish({ channel: '{c}', type: 'made', data: { a: 1 } }, undefined, 'e1'),
      {
        request: 'GET /v1/channels/{c}',
        answer: {
          status: 200,
          text: '{"a":1}',
          headers: {
            'Content-Type': 'application/json',
            ETag: '"{e1}"',
            'Polycast-Type': 'made',
            'Last-Modified': '<any> GMT',
            Link: '<any>rel="self"<any>rel="hub"<any>',
          },
        },
      },
      { request: 'HEAD /v1/channels/{c}', answer: { status: 200, text: '', headers: { ETag: '"{e1}"' } } },
      {
        request: 'GET /v1/channels/{c}',
        headers: { 'If-None-Match': '"{e1}"' },
        answer: { status: 304, text: '', headers: { ETag: '"{e1}"' } },
      },
      ...['"x", "{e1}"', 'W/"{e1}" , "x"', '*'].flatMap((known) => [
        {
          request: 'GET /v1/channels/{c}',
          headers: { 'If-None-Match': known },
          answer: { status: 304, text: '', headers: { ETag: '"{e1}"' } },
        },
        {
          request: 'GET /v1/channels/{c}?wait=1',
          headers: { 'If-None-Match': known },
          answer: { status: 304, text: '' },
        },
      ]),
      {
        request: 'GET /v1/channels/{c}?wait=30',
        headers: { 'If-None-Match': '"x", "y"' },
        answer: { status: 200, text: '{"a":1}' },
      },
      {
        request: 'GET /v1/channels/{c}?wait=1',
        headers: { 'If-None-Match': '"{e1}"' },
        answer: { status: 304, text: '' },
      },
      publish({ channel: '{c}', data: 2 }),
      {
        request: 'GET /v1/channels/{c}?wait=30',
        headers: { 'If-None-Match': '"{e1}"' },
        answer: { status: 200, text: '2' },
      },
      publish({ channel: '{c}', type: 'grün', data: 3 }),
      {
        request: 'GET /v1/channels/{c}',
        answer: { status: 200, headers: { 'Polycast-Type': Buffer.from('grün').toString('latin1') } },
      },
      publish({ channel: '{c}', type: 'a\nb', data: 4 }),
      { request: 'GET /v1/channels/{c}', answer: { status: 200, text: '4', headers: { 'Polycast-Type': null } } },
      { request: 'GET /v1/channels/{c}?limit=1', answer: refusal('invalid_parameter') },
      { request: 'GET /v1/channels/*', answer: refusal('invalid_channel') },
    ],
  },
  {
    name: 'the answer of an empty channel is held until there is a first event',
    sections: ['10.1'],
    steps: [
      {
        http: [
          { send: 'GET /v1/channels/{c}?wait=30 HTTP/1.1' },
          { send: 'Host: hub' },
          { send: 'Connection: close' },
          { send: '' },
          { publish: '{"channel":"{c}","data":"the first"}' },
          { receive: 'HTTP/1.1 200 OK' },
          { receive: '' },
          { receive: '"the first"' },
        ],
      },
      { request: 'GET /v1/channels/{c}.none?wait=1', answer: refusal('channel_empty') },
    ],
  },
  {
    name: 'history goes page by page, both ways',
    sections: ['10.2'],
    steps: [
      {
        request: 'GET /v1/channels/{c}/history',
        answer: { status: 200, json: { events: [], previous: null, next: null, gaps: [] } },
      },
      ...[1, 2, 3, 4, 5].map((data) => publish({ channel: '{c}', data }, undefined, `e${data}`)),
      publish({ channel: '{c}.other', data: 0 }, undefined, 'later'),
      ...(
        [
          ['', [1, 2, 3, 4, 5], null, null],
          ['?limit=2', [4, 5], '{e4}', null],
          ['?limit=2&before={e4}', [2, 3], '{e2}', '{e3}'],
          ['?limit=2&before=now', [4, 5], '{e4}', null],
          ['?limit=2&before={later}', [4, 5], '{e4}', null],
          ['?limit=2&before=earliest', [], null, null],
          ['?limit=2&before={e2}', [1], null, '{e1}'],
          ['?limit=2&after={e3}', [4, 5], '{e4}', null],
          ['?limit=2&after={e2}', [3, 4], '{e3}', '{e4}'],
          ['?limit=2&after=earliest', [1, 2], null, '{e2}'],
        ] as const
      ).map(([query, data, previous, next]) => ({
        request: `GET /v1/channels/{c}/history${query}`,
        answer: {
          status: 200,
          json: {
            events: data.map((each) => ({ id: `{e${each}}`, channel: '{c}', time: '<time>', data: each })),
            previous,
            next,
            gaps: [],
          },
        },
      })),
      {
        request: 'GET /v1/channels/{c}/history?limit=2&before={e4}',
        answer: { status: 200, headers: { Link: '<any>before={e2}>; rel="prev", <any>after={e3}>; rel="next"' } },
      },
      { request: 'GET /v1/channels/{c}/history?before={e1}&after={e1}', answer: refusal('invalid_parameter') },
      { request: 'GET /v1/channels/{c}/history?limit=0', answer: refusal('invalid_parameter') },
    ],
  },
  {
    name: 'whoever runs it is told how it is',
    sections: ['12'],
    steps: [
      { request: 'GET /healthz', answer: { status: 200 } },
      { request: 'GET /readyz', answer: { status: 200 } },
      { request: 'GET /metrics', answer: { status: 200, headers: { 'Content-Type': 'text/plain<any>' } } },
      { request: 'GET /openapi.json', answer: { status: 200, headers: { 'Content-Type': 'application/json' } } },
    ],
  },
];
