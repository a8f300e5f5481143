import { encodeCursor } from '@polycast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredRecord } from '../../../core/ports.ts';
import type { BodyFormat } from '../../state/definition.ts';
import { webhookBody } from './body.ts';

const EPOCH = '0abcdefghj';
const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

interface Event {
  readonly type?: string;
  readonly user?: string;
  readonly content: string;
}

/** An event as stored by the hub. */
function record({ type, user, content }: Event, position = 7): StoredRecord {
  const members = [
    '"channel":"orders.42"',
    ...(type === undefined ? [] : [`"type":${JSON.stringify(type)}`]),
    `"time":"${new Date(TIME_MS).toISOString()}"`,
    ...(user === undefined ? [] : [`"user":${JSON.stringify(user)}`]),
    content,
  ];
  return { position, channel: 'orders.42', type, timeMs: TIME_MS, body: Buffer.from(`${members.join()}}`) };
}

const id = encodeCursor(EPOCH, 7);

function sent(
  format: BodyFormat,
  ...events: Event[]
): { id: string; contentType: string; headers: object; text: string } {
  const records = events.map((event, index) => record(event, 7 + index));
  const { bytes, ...rest } = webhookBody(records, { format, isBatch: events.length > 1, epoch: EPOCH });
  return { ...rest, text: Buffer.from(bytes).toString() };
}

describe('the event itself', () => {
  test('has the form of every transport', () => {
    const { text, ...rest } = sent('event', { type: 'paid', content: '"data":{"total":1.10, "a":[1,2]}' });
    expect(text).toBe(
      `{"id":"${id}","channel":"orders.42","type":"paid","time":"2026-01-02T03:04:05.678Z","data":{"total":1.10, "a":[1,2]}}`,
    );
    expect(rest).toEqual({ id, contentType: 'application/json', headers: {} });
  });
});

describe('the data alone', () => {
  const headers = { 'polycast-channel': 'orders.42', 'polycast-time': '2026-01-02T03:04:05.678Z' };

  test.each<[kind: string, content: string, contentType: string, text: string]>([
    [
      'JSON, character for character',
      '"data":{"total":1.10, "é":"\\u00e9}"}',
      'application/json',
      '{"total":1.10, "é":"\\u00e9}"}',
    ],
    ['nothing', '"data":null', 'application/json', 'null'],
    ['a JSON text', '"data":"a\\nb"', 'application/json', '"a\\nb"'],
    [
      'text',
      '"datacontenttype":"text/plain; charset=utf-8","data":"a\\n\\"é\\""',
      'text/plain; charset=utf-8',
      'a\n"é"',
    ],
    ['other JSON', '"datacontenttype":"application/geo+json","data":"x"', 'application/geo+json', '"x"'],
    [
      'bytes',
      `"datacontenttype":"image/png","data_base64":"${Buffer.from('png!').toString('base64')}"`,
      'image/png',
      'png!',
    ],
    [
      'text that resembles members',
      '"cloudevent":{"id":"\\"data\\":}","source":"/data","n":1},"data":{"data":"}"}',
      'application/json',
      '{"data":"}"}',
    ],
  ])('%s', (_kind, content, contentType, text) => {
    expect(sent('data', { content, user: '"data":1}' })).toEqual({ id, contentType, headers, text });
  });

  test.each([
    ['paid', 'paid'],
    ['order paid', 'order%20paid'],
    ['bezahlt 100 €', 'bezahlt%20100%20%E2%82%AC'],
    ['a\r\nb%', 'a%0D%0Ab%25'],
  ])('has its type in a header: %j', (type, header) => {
    expect(sent('data', { type, content: '"data":1' }).headers).toEqual({ ...headers, 'polycast-type': header });
  });

  test('has any type in a header of printable ASCII, from which it can be read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (type) => {
        const made = sent('data', { type, content: '"data":1' }).headers as Record<string, string>;
        const header = made['polycast-type'] as string;
        expect(header).toMatch(/^[\x21-\x7e]+$/);
        expect(decodeURIComponent(header)).toBe(type);
      }),
    );
  });

  test('is the published data, of any kind', () => {
    fc.assert(
      fc.property(fc.json(), fc.string({ minLength: 1 }), fc.string(), (json, type, user) => {
        expect(sent('data', { type, user, content: `"data":${json}` }).text).toBe(json);
      }),
    );
  });
});

describe('a CloudEvent', () => {
  const own = {
    specversion: '1.0',
    id,
    source: '/v1/channels/orders.42',
    time: '2026-01-02T03:04:05.678Z',
    channel: 'orders.42',
    cursor: id,
  };

  test('is created from an event', () => {
    const { text, ...rest } = sent('cloudevents', { type: 'paid', content: '"data":{"total":1.10}' });
    expect(rest).toEqual({ id, contentType: 'application/cloudevents+json; charset=utf-8', headers: {} });
    expect(JSON.parse(text)).toEqual({
      ...own,
      type: 'paid',
      datacontenttype: 'application/json',
      data: { total: 1.1 },
    });
    expect(text).toContain('"data":{"total":1.10}}');
  });

  test('needs a type', () => {
    expect(JSON.parse(sent('cloudevents', { content: '"data":1' }).text)).toMatchObject({ type: 'polycast.event' });
  });

  test('that was published as one keeps its attributes', () => {
    const kept = {
      specversion: '1.0',
      id: 'A-1',
      source: '/shop',
      subject: 'order 42',
      time: '2020-01-01T00:00:00Z',
      n: 5,
    };
    const content = `"cloudevent":${JSON.stringify(kept)},"data":[1]`;
    expect(JSON.parse(sent('cloudevents', { type: 'paid', content }).text)).toEqual({
      ...own,
      ...kept,
      type: 'paid',
      datacontenttype: 'application/json',
      data: [1],
    });
  });

  test('of bytes has them in base64', () => {
    const content = '"datacontenttype":"image/png","data_base64":"cG5nIQ=="';
    expect(JSON.parse(sent('cloudevents', { type: 'a', content }).text)).toMatchObject({
      datacontenttype: 'image/png',
      data_base64: 'cG5nIQ==',
    });
  });

  test('in binary mode is headers, and the data unchanged', () => {
    const content = `"datacontenttype":"text/plain","cloudevent":{"subject":"a \\"é\\" 5%","flag":true},"data":"hi"`;
    expect(sent('cloudevents-binary', { type: 'paid', content })).toEqual({
      id,
      contentType: 'text/plain',
      text: 'hi',
      headers: {
        'ce-specversion': '1.0',
        'ce-id': id,
        'ce-source': '/v1/channels/orders.42',
        'ce-time': '2026-01-02T03:04:05.678Z',
        'ce-channel': 'orders.42',
        'ce-cursor': id,
        'ce-subject': 'a%20%22%C3%A9%22%205%25',
        'ce-flag': 'true',
        'ce-type': 'paid',
      },
    });
  });
});

describe('a batch', () => {
  const events = [{ content: '"data":1' }, { content: '"datacontenttype":"text/plain","data":"b"' }];

  test.each<[format: BodyFormat, contentType: string]>([
    ['event', 'application/json'],
    ['data', 'application/json'],
    ['cloudevents', 'application/cloudevents-batch+json; charset=utf-8'],
    ['cloudevents-binary', 'application/cloudevents-batch+json; charset=utf-8'],
  ])('of the format %s is an array', (format, contentType) => {
    const batch = sent(format, ...events);
    expect(batch).toMatchObject({ contentType, headers: {} });
    const items = JSON.parse(batch.text) as unknown[];
    expect(items).toHaveLength(2);
    if (format === 'data') expect(items).toEqual([1, 'b']);
    else expect(items[0]).toMatchObject({ id, data: 1 });
  });

  test('of one event is an array as well', () => {
    const { bytes } = webhookBody([record({ content: '"data":1' })], { format: 'data', isBatch: true, epoch: EPOCH });
    expect(Buffer.from(bytes).toString()).toBe('[1]');
  });

  test('has an id that is unique for its events, and contains no dot', () => {
    const of = (...positions: number[]): string =>
      webhookBody(
        positions.map((position) => record({ content: '"data":1' }, position)),
        {
          format: 'event',
          isBatch: true,
          epoch: EPOCH,
        },
      ).id;
    expect(of(1, 2, 3)).toBe(of(1, 2, 3));
    expect(new Set([of(1, 2, 3), of(1, 3), of(1, 2), of(1), of(2), of(1, 2, 4)]).size).toBe(6);
    expect(of(1, 2)).toMatch(/^batch_[A-Za-z0-9_-]{22}$/);
  });
});
