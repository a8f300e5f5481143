import type { Case } from '../suite/case.ts';
import { publish, refusedRead } from './steps.ts';

const bad = ['.', 'a.', '.a', 'a..b', 'a b', 'a/b', 'é', 'a*', '*', '>', 'a'.repeat(201)];

/** Sections 1 and 2. */
export const NAMES: readonly Case[] = [
  {
    name: 'channels are tokens of letters, digits, _ and -, joined by dots, up to 200 characters',
    sections: ['1.1'],
    steps: [
      ...['{c}', '{c}.A_b-9', `{c}.${'x'.repeat(150)}`].map((channel) => publish({ channel, data: 1 })),
      ...bad.map((channel) => publish({ channel, data: 1 }, 'invalid_channel')),
    ],
  },
  {
    name: 'patterns have * for a token and > at the end for the rest',
    sections: ['1.2'],
    steps: [
      publish({ channel: '{c}.42', data: 'one' }),
      publish({ channel: '{c}.42.status', data: 'two' }),
      publish({ channel: '{c}', data: 'itself' }),
      ...[
        ['{c}.*', ['one']],
        ['{c}.>', ['one', 'two']],
        ['{c}.*.status', ['two']],
        ['{c}.*.*', ['two']],
        ['{c}', ['itself']],
        ['{c}.*.>', ['two']],
      ].map(([pattern, data]) => ({
        request: `GET /v1/events?channel=${pattern as string}&after=earliest`,
        answer: {
          status: 200,
          json: {
            events: (data as string[]).map((each) => ({
              id: '<cursor>',
              channel: '<any>',
              time: '<time>',
              data: each,
            })),
            cursor: '<cursor>',
            gaps: [],
          },
        },
      })),
      ...['>.a', 'a.>.b', 'a*', '**', 'a..b', ''].map((pattern) =>
        refusedRead(`channel=${encodeURIComponent(pattern)}`, 'invalid_pattern'),
      ),
    ],
  },
  {
    name: 'a cursor has 22 characters, and invalid ones are refused',
    sections: ['2.1'],
    steps: [
      publish({ channel: '{c}', data: 1 }, undefined, 'first'),
      {
        request: 'GET /v1/events?channel={c}',
        answer: { status: 200, json: { events: [], cursor: '<cursor:now>', gaps: [] } },
      },
      {
        request: 'GET /v1/events?channel={c}&after={now}',
        answer: { status: 200, json: { events: [], cursor: '<cursor>', gaps: [] } },
      },
      ...['', '0', 'nonsense', '0000000000-0000000000l', '0000000000_00000000000'].map((cursor) =>
        refusedRead(`channel={c}&after=${cursor}`, 'invalid_cursor'),
      ),
      {
        request: 'GET /v1/events?channel={c}',
        headers: { Accept: 'text/event-stream', 'Last-Event-ID': 'nonsense' },
        answer: {
          status: 400,
          json: {
            type: '<any>',
            title: '<any>',
            status: 400,
            code: 'invalid_cursor',
            detail: '<any>',
            retryable: false,
            header: 'last-event-id',
          },
        },
      },
    ],
  },
  {
    name: 'earliest means all stored events, now means new events, and now is the default',
    sections: ['2.2'],
    steps: [
      publish({ channel: '{c}', data: 1 }),
      {
        request: 'GET /v1/events?channel={c}&after=earliest',
        answer: {
          status: 200,
          json: { events: [{ id: '<cursor>', channel: '{c}', time: '<time>', data: 1 }], cursor: '<cursor>', gaps: [] },
        },
      },
      ...['', '&after=now'].map((after) => ({
        request: `GET /v1/events?channel={c}${after}`,
        answer: { status: 200, json: { events: [], cursor: '<cursor>', gaps: [] } },
      })),
    ],
  },
  {
    name: 'a cursor of a lost log begins with a gap',
    sections: ['2.3'],
    steps: [
      {
        request: 'GET /v1/events?channel={c}&after=0000000000-00000000005',
        answer: {
          status: 200,
          json: {
            events: [],
            cursor: '<cursor>',
            gaps: [{ from: '0000000000-00000000005', to: '<cursor>', reason: 'epoch' }],
          },
        },
      },
    ],
  },
];
