import type { Case } from '../suite/case.ts';
import { allEvents, publish, refusal } from './steps.ts';

/** Sections 8.6 and 9.1: refused requests, and their answers. */
export const REFUSALS: readonly Case[] = [
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
    name: 'half of a surrogate pair is stored within data, and refused in an envelope, a name or a description',
    sections: ['3.2', '8.6', '9.1', '14.1'],
    steps: [
      publish('{"channel":"{c}","data":"\\ud800"}'),
      allEvents('{c}', '{"id":"<cursor>","channel":"{c}","time":"<time>","data":"\\ud800"}'),
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
    steps: [
      publish({ channel: '{rated}', data: 1 }),
      // The rate allows one a second, and the machine may pause for a second.
      { ...publish({ channel: '{rated}', data: 1 }, 'rate_limited'), eventually: true },
    ],
  },
];
