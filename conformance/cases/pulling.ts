import type { Case, Exchange } from '../suite/case.ts';
import { publish, refusal } from './steps.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** A queue of the case's own channel. `queue` names its id. */
function create(ordering: 'none' | 'per-channel'): Exchange {
  return {
    request: 'POST /v1/subscriptions',
    headers: JSON_TYPE,
    body: `{"channels":["{c}"],"ordering":"${ordering}","delivery":{"kind":"pull","deliveriesMax":2}}`,
    answer: { status: 201, headers: { Location: '/v1/subscriptions/<text:queue>' } },
  };
}

function requestOnQueue(action: string, body: string, answer: Exchange['answer']): Exchange {
  return { request: `POST /v1/subscriptions/{queue}/${action}`, headers: JSON_TYPE, body, answer };
}

/** The expected events: their data, the delivery count, and the names for their leases. */
function pull(...events: readonly (readonly [data: unknown, delivery: number, note: string])[]): Exchange {
  const leased = events.map(([data, delivery, captureAs]) => ({
    lease: `<text:${captureAs}>`,
    delivery,
    leaseEnds: '<time>',
    event: { id: '<cursor>', channel: '{c}', time: '<time>', data },
  }));
  return requestOnQueue('pull', '{"waitSeconds":1}', { status: 200, json: { events: leased } });
}

const settle = (action: string, leases: readonly string[], count: number, notHeld: readonly string[] = []): Exchange =>
  requestOnQueue(action, JSON.stringify({ leases }), { status: 200, json: { count, notHeld } });
const remove: Exchange = { request: 'DELETE /v1/subscriptions/{queue}', answer: { status: 204 } };
const refusedRequest = (action: string, body: string): Exchange =>
  requestOnQueue(action, body, refusal('invalid_body'));

const OLD = '0000000000-00000000007';
const GAP = {
  id: '<cursor>',
  channel: 'polycast.gap',
  type: 'polycast.gap',
  time: '<time>',
  data: { from: OLD, to: '<cursor>', reason: 'epoch' },
};

/** The queue, with the numbers of leased and of waiting events. */
function showQueue(inFlight: number, waiting: number): Exchange {
  const definition = {
    id: '<text>',
    channels: ['{c}'],
    types: null,
    filter: null,
    delivery: { kind: 'pull', leaseSeconds: '<number>', deliveriesMax: 2 },
    ordering: 'per-channel',
    ratePerSecond: null,
    concurrencyMax: '<number>',
    description: '',
    metadata: {},
    expires: null,
    name: null,
    owner: null,
    createdBy: {},
    created: '<time>',
    changed: '<time>',
  };
  const status = { state: 'active', reason: 'created', since: '<time>', cursor: '<cursor>' };
  const lag = { lagMs: '<number>', lagEvents: '<number>', lagPositions: '<number>' };
  const backlog = { inFlight, failing: 0, waiting, deadLetters: 0, ...lag, nextAttempt: null };
  return {
    request: 'GET /v1/subscriptions/{queue}',
    answer: { status: 200, json: { ...definition, ...status, backlog } },
  };
}

/** The description of an event in the queue. */
function traceEvent(event: string, of: object): Exchange {
  const delivery = { subscription: '{queue}', attempts: [], ...of };
  return {
    request: `GET /v1/events/${event}/deliveries`,
    answer: { status: 200, json: { event, deliveries: [delivery] } },
  };
}

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const ZEROS = `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`;

/** The first delivery of an event, with further members. */
function leased(data: unknown, members: object = {}): object {
  const event = { id: '<cursor>', channel: '{c}', time: '<time>', data };
  return { lease: '<text>', delivery: 1, leaseEnds: '<time>', ...members, event };
}

const LEASED = { state: 'leased', tries: 1, first: '<time>', last: '<time>', due: '<time>' };
/** The number and the times of its deliveries are not stored. */
const DONE = { state: 'done', tries: null, first: null, last: null, due: null };

/** Section 14.6. */
export const PULLING: readonly Case[] = [
  {
    name: 'a pulled event has a lease: acknowledged it is done, released it is delivered again, until its last delivery',
    sections: ['14.6'],
    steps: [
      create('none'),
      publish({ channel: '{c}', data: 'a' }),
      publish({ channel: '{c}', data: 'b' }),
      pull(['a', 1, 'a1'], ['b', 1, 'b1']),
      settle('nack', ['{a1}'], 1),
      settle('ack', ['{a1}', '{b1}'], 1, ['{a1}']),
      pull(['a', 2, 'a2']),
      requestOnQueue('extend', '{"leases":["{a2}","{a1}"],"leaseSeconds":60}', {
        status: 200,
        json: { count: 1, notHeld: ['{a1}'], leaseEnds: '<time>' },
      }),
      settle('nack', ['{a2}'], 1),
      requestOnQueue('pull', '', { status: 200, json: { events: [] } }),
      {
        request: 'GET /v1/subscriptions/{queue}/dead-letters',
        answer: {
          status: 200,
          json: {
            deadLetters: [
              {
                event: '<cursor>',
                channel: '{c}',
                attempts: 2,
                since: '<time>',
                outcome: 'deliveries',
                detail: '<any>',
              },
            ],
            next: null,
          },
        },
      },
      remove,
    ],
  },
  {
    name: 'a pulled event has the trace context of its publisher, and an invalid one is ignored',
    sections: ['8.7', '14.6'],
    steps: [
      create('none'),
      publish({ channel: '{c}', data: 'header' }, undefined, undefined, { traceparent: TRACEPARENT }),
      publish({ channel: '{c}', data: 'member', traceparent: TRACEPARENT, tracestate: 'a=1' }),
      publish({ channel: '{c}', data: 'zeros', traceparent: ZEROS, tracestate: 'a=1' }),
      publish({ channel: '{c}', data: 'number', traceparent: 1 }, 'invalid_event'),
      requestOnQueue('pull', '{}', {
        status: 200,
        json: {
          events: [
            leased('header', { traceparent: TRACEPARENT }),
            leased('member', { traceparent: TRACEPARENT, tracestate: 'a=1' }),
            leased('zeros'),
          ],
        },
      }),
      remove,
    ],
  },
  {
    name: "in per-channel order a channel's next event is delivered when the one before is done",
    sections: ['14.1', '14.6'],
    steps: [
      create('per-channel'),
      publish({ channel: '{c}', data: 1 }, undefined, 'first'),
      publish({ channel: '{c}', data: 2 }),
      pull([1, 1, 'one']),
      requestOnQueue('pull', '{}', { status: 200, json: { events: [] } }),
      showQueue(1, 1),
      traceEvent('{first}', LEASED),
      requestOnQueue('ack', '{"through":"{first}"}', { status: 200, json: { count: 1, notHeld: [] } }),
      traceEvent('{first}', DONE),
      pull([2, 1, 'two']),
      remove,
      requestOnQueue('ack', '{"leases":["{two}"]}', refusal('not_found')),
    ],
  },
  {
    name: 'of an added channel, events after the cursor are delivered, including those from before the change',
    sections: ['14.1', '14.6'],
    steps: [
      create('none'),
      publish({ channel: '{c}.added', data: 'before' }),
      publish({ channel: '{c}', data: 'a' }),
      pull(['a', 1, 'a1']),
      settle('ack', ['{a1}'], 1),
      { request: 'POST /v1/subscriptions/{queue}/pause', answer: { status: 200 } },
      publish({ channel: '{c}.added', data: 'while it was behind' }),
      {
        request: 'PATCH /v1/subscriptions/{queue}',
        headers: JSON_TYPE,
        body: '{"channels":["{c}.added"]}',
        answer: { status: 200 },
      },
      { request: 'POST /v1/subscriptions/{queue}/resume', answer: { status: 200 } },
      requestOnQueue('pull', '{"waitSeconds":1}', {
        status: 200,
        json: {
          events: [
            {
              lease: '<text:b>',
              delivery: 1,
              leaseEnds: '<time>',
              event: { id: '<cursor>', channel: '{c}.added', time: '<time>', data: 'while it was behind' },
            },
          ],
        },
      }),
      remove,
    ],
  },
  {
    name: 'an event of another log has no attempts and no deliveries, and its dead letter is not found',
    sections: ['14.1', '14.4'],
    steps: [
      create('none'),
      publish({ channel: '{c}', data: 'a' }),
      {
        request: `GET /v1/subscriptions/{queue}/attempts?event=${OLD}`,
        answer: { status: 200, json: { attempts: [], next: null } },
      },
      {
        request: `GET /v1/events/${OLD}/deliveries`,
        answer: { status: 200, json: { event: OLD, deliveries: [] } },
      },
      { request: `GET /v1/subscriptions/{queue}/dead-letters/${OLD}`, answer: refusal('not_found') },
      { request: `POST /v1/subscriptions/{queue}/dead-letters/${OLD}/retry`, answer: refusal('not_found') },
      { request: 'GET /v1/events/nonsense/deliveries', answer: refusal('invalid_cursor') },
      remove,
    ],
  },
  {
    name: 'a subscription that begins after a cursor of another log receives a gap, and then all stored events',
    sections: ['14.6'],
    steps: [
      publish({ channel: '{c}', data: 'a' }),
      {
        ...create('none'),
        body: `{"channels":["{c}"],"start":"${OLD}","delivery":{"kind":"pull"}}`,
      },
      requestOnQueue('pull', '{"waitSeconds":1}', {
        status: 200,
        json: { events: [{ lease: '<text:gap>', delivery: 1, leaseEnds: '<time>', event: GAP }] },
      }),
      settle('ack', ['{gap}'], 1),
      pull(['a', 1, 'a1']),
      remove,
      {
        ...create('none'),
        body: '{"channels":["{c}"],"start":"nonsense","delivery":{"kind":"pull"}}',
        answer: refusal('invalid_cursor'),
      },
    ],
  },
  {
    name: 'a pull from a paused, an unknown or a changed subscription is refused with the reason',
    sections: ['9.1', '14.1', '14.6'],
    steps: [
      create('none'),
      ...(['POST /v1/subscriptions/{queue}/pause', 'DELETE /v1/subscriptions/{queue}'] as const).map((request) => ({
        request,
        headers: { 'If-Match': '"2"' },
        answer: refusal('precondition_failed'),
      })),
      refusedRequest('pull', '{"count":0}'),
      refusedRequest('pull', '{"waitSeconds":61}'),
      refusedRequest('ack', '{}'),
      requestOnQueue('ack', '{"leases":["a"],"leases":["b"]}', refusal('duplicate_member')),
      refusedRequest('nack', '{"leases":[]}'),
      refusedRequest('extend', '{"leases":[1]}'),
      { request: 'POST /v1/subscriptions/{queue}/pause', answer: { status: 200 } },
      requestOnQueue('pull', '{}', refusal('subscription_not_active')),
      settle('ack', ['nobodys'], 0, ['nobodys']),
      remove,
      requestOnQueue('pull', '{}', refusal('not_found')),
    ],
  },
  {
    name: 'on a WebSocket events are pushed, as far as there is credit',
    sections: ['14.6'],
    steps: [
      create('none'),
      {
        webSocket: '/v1/events',
        turns: [
          { receive: '{"op":"ready","cursor":"<cursor>","session":"<text>","heartbeatMs":"<number>"}' },
          { send: '{"op":"pull","ref":1,"subscription":"{queue}","credit":1}' },
          { receive: '{"op":"pull","ref":1,"ok":true,"credit":1}' },
          { publish: '{"channel":"{c}","data":"a"}' },
          { receive: delivery('a', 'a') },
          { publish: '{"channel":"{c}","data":"b"}' },
          { send: '{"op":"ack","ref":2,"subscription":"{queue}","leases":["{a}"],"credit":1}' },
          { receive: '{"op":"ack","ref":2,"ok":true,"count":1,"notHeld":[],"credit":1}' },
          { receive: delivery('b', 'b') },
          { send: '{"op":"extend","ref":3,"subscription":"{queue}","leases":["{b}","{a}"]}' },
          { receive: '{"op":"extend","ref":3,"ok":true,"count":1,"notHeld":["{a}"],"leaseEnds":"<time>"}' },
          { send: '{"op":"ack","ref":4,"subscription":"{queue}","leases":["{b}"]}' },
          { receive: '{"op":"ack","ref":4,"ok":true,"count":1,"notHeld":[]}' },
          { send: '{"op":"credit","ref":5,"subscription":"{queue}","credit":3}' },
          { receive: '{"op":"credit","ref":5,"ok":true,"credit":3}' },
        ],
      },
      remove,
    ],
  },
];

function delivery(data: string, captureAs: string): string {
  const event = { id: '<cursor>', channel: '{c}', time: '<time>', data };
  const leased = { lease: `<text:${captureAs}>`, delivery: 1, leaseEnds: '<time>', event };
  return JSON.stringify({ op: 'delivery', subscription: '{queue}', ...leased });
}
