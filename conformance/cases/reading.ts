import type { Case } from '../suite/case.ts';
import { allEvents, publish, publishData, refusal, refusedRead } from './steps.ts';

const three = [1, 2, 3].map((n) => publish({ channel: '{c}', data: n }, undefined, `e${n}`));
const event = (n: number): string => `{"id":"{e${n}}","channel":"{c}","time":"<time>","data":${n}}`;
const poll = (events: string, cursor = '<cursor>'): string => `{"events":[${events}],"cursor":"${cursor}","gaps":[]}`;

/** Sections 3, 4 and 5. */
export const READING: readonly Case[] = [
  {
    name: 'an event has its members in order, those that are absent left out',
    sections: ['3.1'],
    steps: [
      publish({ channel: '{c}', type: 'made', data: { a: 1 } }, undefined, 'a'),
      publishData('{c}', 'text/plain', 'hi', 'b', { 'Polycast-Type': 'said' }),
      publishData('{c}', 'image/png', Uint8Array.from([0, 255]), 'd'),
      allEvents(
        '{c}',
        '{"id":"{a}","channel":"{c}","type":"made","time":"<time>","data":{"a":1}},{"id":"{b}","channel":"{c}","type":"said","time":"<time>","datacontenttype":"text/plain","data":"hi"},{"id":"{d}","channel":"{c}","time":"<time>","datacontenttype":"image/png","data_base64":"AP8="}',
      ),
    ],
  },
  {
    name: 'data is stored character for character, except for line breaks between tokens',
    sections: ['3.2'],
    steps: [
      publish(
        '{"channel":"{c}","data":{"n":-0,"big":12345678901234567890,"e":1E400,"s":"\\u0041\\/","b" : [ 1 ,2],\r\n  "b":"\\ud800",\n"":null}}',
      ),
      allEvents(
        '{c}',
        '{"id":"<cursor>","channel":"{c}","time":"<time>","data":{"n":-0,"big":12345678901234567890,"e":1E400,"s":"\\u0041\\/","b" : [ 1 ,2],"b":"\\ud800","":null}}',
      ),
      publish('{"channel":"{c}","data":{"a":1,}}', 'invalid_json'),
      publish(`{"channel":"{c}","data":${'['.repeat(128)}${']'.repeat(128)}}`),
      publish(`{"channel":"{c}","data":${'['.repeat(129)}${']'.repeat(129)}}`, 'json_too_deep'),
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/json' },
        body: Buffer.from('7b226368616e6e656c223a2261222c2264617461223a22ff227d', 'hex'),
        answer: refusal('invalid_utf8'),
      },
    ],
  },
  {
    name: 'a latest channel keeps only its newest event, and replaced events cause no gap',
    sections: ['3.4', '2.3'],
    needs: 'rules',
    steps: [
      publish({ channel: '{latest}', data: 1 }),
      publish({ channel: '{latest}', data: 2 }),
      allEvents('{latest}', '{"id":"<cursor>","channel":"{latest}","time":"<time>","data":2}'),
      {
        request: 'GET /v1/channels/{latest}/history',
        answer: {
          status: 200,
          json: {
            events: [{ id: '<cursor>', channel: '{latest}', time: '<time>', data: 2 }],
            previous: null,
            next: null,
            gaps: [],
          },
        },
      },
    ],
  },
  {
    name: 'an ephemeral channel is read by clients that return soon, and has no history',
    sections: ['3.4'],
    needs: 'rules',
    steps: [
      {
        request: 'GET /v1/events?channel={ephemeral}',
        answer: { status: 200, json: { events: [], cursor: '<cursor:before>', gaps: [] } },
      },
      publish({ channel: '{ephemeral}', data: 'typing' }),
      {
        request: 'GET /v1/events?channel={ephemeral}&after={before}',
        answer: {
          status: 200,
          json: {
            events: [{ id: '<cursor>', channel: '{ephemeral}', time: '<time>', data: 'typing' }],
            cursor: '<cursor>',
            gaps: [],
          },
        },
      },
      {
        request: 'GET /v1/channels/{ephemeral}/history',
        answer: { status: 200, json: { events: [], previous: null, next: null, gaps: [] } },
      },
    ],
  },
  {
    name: 'Accept decides the form, and an unavailable one is refused',
    sections: ['4.1'],
    steps: [
      ...[
        'application/json',
        '*/*',
        'application/*;q=0.5',
        'text/html, application/json',
        'Application/JSON; charset=utf-8',
      ].map((accept) => ({
        request: 'GET /v1/events?channel={c}',
        headers: { Accept: accept },
        answer: { status: 200, headers: { 'Content-Type': 'application/json' } },
      })),
      ...['text/html', 'application/xml, image/png'].map((accept) => ({
        request: 'GET /v1/events?channel={c}',
        headers: { Accept: accept },
        answer: refusal('not_acceptable'),
      })),
    ],
  },
  {
    name: 'parameters that are not listed, or not of their form, are refused',
    sections: ['4.2'],
    steps: [
      refusedRead('after=now', 'channel_missing'),
      ...[
        'limit=0',
        'limit=1001',
        'limit=ten',
        'limit=1&limit=2',
        'wait=61',
        'wait=-1',
        'history=0',
        'history=1001',
        'history=5&after=now',
        'since=now',
        'Channel=a',
        '__proto__=a',
        'limit=%ff',
        'type=a&'.repeat(21),
      ].map((parameters) => refusedRead(`channel={c}&${parameters}`, 'invalid_parameter')),
      refusedRead('channel=a&'.repeat(101), 'too_many_channels'),
      { request: `GET /v1/events?${'channel=a&'.repeat(100)}`, answer: { status: 200 } },
      { request: `GET /v1/events?channel={c}&${'type=a&'.repeat(20)}`, answer: { status: 200 } },
      { request: 'GET /v1/events?channel={c}&token=anything', answer: { status: 200 } },
    ],
  },
  {
    name: 'HEAD is a short poll without the body, OPTIONS lists the methods, all others receive 405',
    sections: ['4.3'],
    steps: [
      publish({ channel: '{c}', data: 1 }),
      {
        request: 'HEAD /v1/events?channel={c}&after=earliest',
        answer: {
          status: 200,
          text: '',
          headers: { 'Content-Type': 'application/json', ETag: 'W/"<cursor>"', 'Content-Length': '<number>' },
        },
      },
      { request: 'HEAD /v1/events?channel={c}&wait=30', answer: { status: 200, text: '' } },
      { request: 'HEAD /v1/events?channel={c}&limit=0', answer: { status: 400, text: '' } },
      {
        request: 'OPTIONS /v1/events',
        answer: { status: 204, text: '', headers: { Allow: 'GET, HEAD, POST, OPTIONS' } },
      },
      {
        request: 'OPTIONS /v1/channels/{c}',
        answer: { status: 204, headers: { Allow: 'GET, HEAD, DELETE, OPTIONS' } },
      },
      {
        request: 'DELETE /v1/events',
        answer: { ...refusal('method_not_allowed'), headers: { Allow: 'GET, HEAD, POST, OPTIONS' } },
      },
      { request: 'GET /v1/nothing', answer: refusal('not_found') },
    ],
  },
  {
    name: 'a poll is answered immediately, and the next one continues at its cursor',
    sections: ['5.1', '3.3'],
    steps: [
      ...three,
      {
        request: 'GET /v1/events?channel={c}&after={e1}',
        answer: { status: 200, text: poll(`${event(2)},${event(3)}`, '<cursor:next>') },
      },
      { request: 'GET /v1/events?channel={c}&after={next}', answer: { status: 200, text: poll('', '<cursor>') } },
      publish({ channel: '{c}', data: 4 }, undefined, 'e4'),
      { request: 'GET /v1/events?channel={c}&after={next}', answer: { status: 200, text: poll(event(4)) } },
    ],
  },
  {
    name: 'history begins with the last events, types filter',
    sections: ['5.1', '4.2'],
    steps: [
      ...three,
      {
        request: 'GET /v1/events?channel={c}&history=2',
        answer: { status: 200, text: poll(`${event(2)},${event(3)}`) },
      },
      publish({ channel: '{c}', type: 'a', data: 4 }),
      publish({ channel: '{c}', type: 'b', data: 5 }),
      publish({ channel: '{c}', type: 'c', data: 6 }),
      {
        request: 'GET /v1/events?channel={c}&after=earliest&type=a&type=c',
        answer: {
          status: 200,
          json: {
            events: [
              ['a', 4],
              ['c', 6],
            ].map(([type, data]) => ({ id: '<cursor>', channel: '{c}', type, time: '<time>', data })),
            cursor: '<cursor>',
            gaps: [],
          },
        },
      },
      {
        request: 'GET /v1/events?channel={c}&history=1&type=a',
        answer: {
          status: 200,
          json: {
            events: [{ id: '<cursor>', channel: '{c}', type: 'a', time: '<time>', data: 4 }],
            cursor: '<cursor>',
            gaps: [],
          },
        },
      },
    ],
  },
  {
    name: 'If-None-Match receives 304 until there is something new',
    sections: ['5.2'],
    steps: [
      publish({ channel: '{c}', data: 1 }, undefined, 'e1'),
      ...['after=earliest', 'after={e1}', 'after=now', 'history=1'].flatMap((from) => [
        {
          request: `GET /v1/events?channel={c}&${from}`,
          answer: { status: 200, headers: { ETag: 'W/"<cursor:tag>"' } },
        },
        // Events of other publishers do not change the result.
        publish({ channel: '{c}.other', data: 0 }),
        {
          request: `GET /v1/events?channel={c}&${from}`,
          headers: { 'If-None-Match': 'W/"{tag}"' },
          answer: { status: 304, text: '', headers: { ETag: '<any>' } },
        },
        ...['"x", W/"{tag}"', '"{tag}","x"', '*'].map((known) => ({
          request: `GET /v1/events?channel={c}&${from}`,
          headers: { 'If-None-Match': known },
          answer: { status: 304, text: '', headers: { ETag: 'W/"<cursor>"' } },
        })),
      ]),
      {
        request: 'GET /v1/events?channel={c}&after=earliest&wait=1',
        headers: { 'If-None-Match': '"x", "{e1}"' },
        answer: { status: 200, text: poll('') },
      },
      {
        request: 'GET /v1/events?channel={c}&after=earliest&wait=1',
        headers: { 'If-None-Match': '*' },
        answer: { status: 200, text: poll('') },
      },
      {
        request: 'GET /v1/events?channel={c}&after={e1}',
        answer: { status: 200, headers: { ETag: 'W/"<cursor:tag>"' } },
      },
      publish({ channel: '{c}', data: 2 }, undefined, 'e2'),
      {
        request: 'GET /v1/events?channel={c}&after={e1}',
        headers: { 'If-None-Match': 'W/"{tag}"' },
        answer: { status: 200, text: poll(event(2)) },
      },
      {
        request: 'GET /v1/events?channel={c}&after={e1}',
        headers: { 'If-None-Match': 'W/"nonsense"' },
        answer: { status: 200 },
      },
    ],
  },
  {
    name: 'a long poll with an event is answered immediately, and one without when its time is over',
    sections: ['5.3'],
    steps: [
      ...three,
      {
        request: 'GET /v1/events?channel={c}&after={e2}&wait=30',
        answer: { status: 200, text: poll(event(3)), headers: { 'Preference-Applied': null } },
      },
      {
        request: 'GET /v1/events?channel={c}&after={e2}',
        headers: { Prefer: 'respond-async, wait=30' },
        answer: { status: 200, text: poll(event(3)), headers: { 'Preference-Applied': 'wait=30' } },
      },
      { request: 'GET /v1/events?channel={c}&wait=1', answer: { status: 200, text: poll('') } },
      {
        request: 'GET /v1/events?channel={c}&wait=0',
        headers: { Prefer: 'wait=30' },
        answer: { status: 200, text: poll(''), headers: { 'Preference-Applied': null } },
      },
      { request: 'GET /v1/events?channel={c}&after=0000000000-00000000005&wait=30', answer: { status: 200 } },
    ],
  },
  {
    name: 'a long poll is answered by the event that it waited for',
    sections: ['5.3', '3.3'],
    steps: [
      // With a cursor the poll is answered, even if a balancer lets the second event overtake it.
      publish({ channel: '{c}', data: 'at first' }, undefined, 'e1'),
      {
        http: [
          { send: 'GET /v1/events?channel={c}&after={e1}&wait=30 HTTP/1.1' },
          { send: 'Host: localhost' },
          { send: 'Connection: close' },
          { send: '' },
          { publish: '{"channel":"{c}","data":"at last"}' },
          { receive: 'HTTP/1.1 200 OK' },
          { receive: '' },
          { receive: poll('{"id":"<cursor>","channel":"{c}","time":"<time>","data":"at last"}') },
        ],
      },
    ],
  },
  {
    name: 'an answer is cut at its limit, and the next poll gets more',
    sections: ['5.4'],
    steps: [
      ...three,
      {
        request: 'GET /v1/events?channel={c}&after=earliest&limit=2',
        answer: { status: 200, text: poll(`${event(1)},${event(2)}`, '{e2}') },
      },
      {
        request: 'GET /v1/events?channel={c}&after={e2}&limit=2&wait=30',
        answer: { status: 200, text: poll(event(3)) },
      },
    ],
  },
  {
    name: 'large answers are compressed for clients that accept it',
    sections: ['5.5'],
    steps: [
      publish({ channel: '{c}', data: 'x'.repeat(2000) }),
      ...['br', 'gzip'].map((encoding) => ({
        request: 'GET /v1/events?channel={c}&after=earliest',
        headers: { 'Accept-Encoding': encoding },
        answer: { status: 200, headers: { 'Content-Encoding': encoding, Vary: '<any>Accept-Encoding<any>' } },
      })),
      {
        request: 'GET /v1/events?channel={c}&after=earliest',
        headers: { 'Accept-Encoding': 'br;q=0' },
        answer: { status: 200, headers: { 'Content-Encoding': null } },
      },
      {
        request: 'GET /v1/events?channel={c}',
        headers: { 'Accept-Encoding': 'br' },
        answer: { status: 200, headers: { 'Content-Encoding': null } },
      },
    ],
  },
  {
    name: 'removed events are reported as a gap',
    sections: ['2.3', '10.2'],
    needs: 'rules',
    steps: [
      {
        request: 'GET /v1/events?channel={short}',
        answer: { status: 200, json: { events: [], cursor: '<cursor:before>', gaps: [] } },
      },
      ...[1, 2, 3, 4].map((data) => publish({ channel: '{short}', data }, undefined, `e${data}`)),
      {
        request: 'GET /v1/channels/{short}/history?after={before}',
        eventually: true,
        answer: {
          status: 200,
          json: {
            events: [3, 4].map((n) => ({ id: `{e${n}}`, channel: '{short}', time: '<time>', data: n })),
            previous: '<any>',
            next: null,
            gaps: [{ from: '{before}', to: '{e2}', reason: 'retention' }],
          },
        },
      },
    ],
  },
];
