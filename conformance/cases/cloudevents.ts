import type { Case } from '../suite/case.ts';
import { allEvents, problemOf, publish, refusal } from './steps.ts';

const result = { id: '<cursor>', channel: '{c}', time: '<time>' };
const CLOUD = { specversion: '1.0', id: '{key}', source: '/shop', type: 'order.made' };
const BINARY = { 'ce-specversion': '1.0', 'ce-id': '{key}', 'ce-source': '/shop', 'ce-type': 'order.made' };
const INVALID_TIMES = ['yesterday', '', 5, '2026-01-02', '2026-01-02T03:04:05', '2026-02-30T00:00:00Z'];

/** Section 8.5. */
export const CLOUDEVENTS: readonly Case[] = [
  {
    name: 'an invalid CloudEvent or a contradictory header is refused; a condition applies as for any other event',
    sections: ['8.5', '8.3'],
    steps: [
      ...INVALID_TIMES.map((time) =>
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
    name: 'CloudEvents are accepted in three modes',
    sections: ['8.5', '8.1'],
    steps: [
      {
        request: 'POST /v1/events',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...CLOUD, channel: '{c}', time: '2026-01-02T03:04:05Z', count: 5, data: { a: 1 } }),
        answer: { status: 201, json: { ...result, id: '<cursor:id>' } },
      },
      allEvents(
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
      allEvents(
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
          json: [result, problemOf('invalid_event', 400, { detail: '<any>', member: 'specversion' })],
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
];
