import type { Case } from '../suite/case.ts';
import { publish, refusal } from './steps.ts';

/** Sections 10 and 12: a single channel, and the health of the hub. */
export const CHANNELS: readonly Case[] = [
  {
    name: 'a channel shows its newest data, with its id, type and time',
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
          { send: 'Host: localhost' },
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
    name: 'history is read page by page, in both directions',
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
    name: 'health and metrics report the state of the hub',
    sections: ['12'],
    steps: [
      { request: 'GET /healthz', answer: { status: 200 } },
      { request: 'GET /readyz', answer: { status: 200 } },
      { request: 'GET /metrics', answer: { status: 200, headers: { 'Content-Type': 'text/plain<any>' } } },
      { request: 'GET /openapi.json', answer: { status: 200, headers: { 'Content-Type': 'application/json' } } },
    ],
  },
];
