import { expect, test } from 'vitest';
import { outcomeOf } from './exchange.ts';
import type { Direction, LaneName, WireRecord } from './records.ts';
import { WireModel } from './wire-model.ts';

const CHANNEL = 'lab.orders.1';
const EVENT = '{"id":"c1","channel":"lab.orders.1","time":"t","data":{"step":"oven"}}';

test('a short poll is one exchange, with its bytes, its times and its events', () => {
  const { model, up, down } = watching('short-poll');
  const request = get();
  const answer = json(`{"events":[${EVENT}],"cursor":"c1","gaps":[]}`);
  up(request, 10);
  down(answer, 14);
  expect(model.lanes['short-poll'].exchanges).toMatchObject([
    {
      kind: 'poll',
      method: 'GET',
      startedAtMs: 10,
      endedAtMs: 14,
      status: 200,
      events: 1,
      gaps: 0,
      bytesUp: request.length,
      bytesDown: answer.length,
    },
  ]);
  expect(outcomes(model, 'short-poll')).toEqual(['news']);
});

test('an empty answer and a 304 count as empty requests; a waiting request is open', () => {
  const { model, up, down } = watching('long-poll');
  up(get(), 1);
  down(json('{"events":[],"cursor":"c1","gaps":[]}'), 2);
  up(get(), 3);
  down('HTTP/1.1 304 Not Modified\r\n\r\n', 4);
  up(get(), 5);
  expect(outcomes(model, 'long-poll')).toEqual(['nothing', 'nothing', 'open']);
});

test('an answer with a gap does not count as empty', () => {
  const { model, up, down } = watching('short-poll');
  up(get(), 1);
  down(json('{"events":[],"cursor":"c1","gaps":[{"from":"a","to":"b","reason":"epoch"}]}'), 2);
  expect(outcomes(model, 'short-poll')).toEqual(['news']);
});

test('an event stream is one exchange; control messages and heartbeats are not events', () => {
  const { model, up, down } = watching('sse');
  up(get('Accept: text/event-stream\r\n'), 1);
  down('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n', 2);
  down('retry: 500\n\nevent: polycast.ready\nid: c0\ndata: {}\n\n', 2);
  down(`id: c1\ndata: ${EVENT}\n\n:\n:`, 3);
  down('\nevent: polycast.heartbeat\nid: c2\ndata: {"cursor":"c2"}\n', 3);
  down('\nevent: polycast.gap\nid: c3\ndata: {}\n\n', 4);
  expect(model.lanes.sse.exchanges).toMatchObject([{ kind: 'stream', events: 1, gaps: 1, endedAtMs: undefined }]);
  const labels = model.lanes.sse.entries.map(({ label }) => label);
  expect(labels).toEqual([
    'request',
    'answer',
    'setting',
    'polycast.ready',
    'event',
    'heartbeat',
    'heartbeat',
    'polycast.heartbeat',
    'polycast.gap',
  ]);
});

test('a WebSocket is one exchange; its frames are read in both directions', () => {
  const { model, up, down } = watching('websocket');
  up(get('Upgrade: websocket\r\n'), 1);
  down('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n', 2);
  down(frame('{"op":"ready","cursor":"c0"}') + frame(EVENT), 3);
  up('\x88\x82\0\0\0\0\x03\xe8', 4);
  expect(model.lanes.websocket.exchanges).toMatchObject([{ kind: 'socket', events: 1 }]);
  expect(model.lanes.websocket.entries.at(-1)).toMatchObject({
    direction: 'up',
    label: 'close frame, unmasked',
    text: '1000',
  });
});

test('a request that is cut off has failed; a stream that has delivered events has not', () => {
  const { model, up, down, record } = watching('long-poll');
  up(get(), 1);
  record({ kind: 'close', lane: 'long-poll', connection: 1, atMs: 2, by: 'cut' });
  expect(outcomes(model, 'long-poll')).toEqual(['failed']);
  const stream = watching('sse');
  stream.up(get('Accept: text/event-stream\r\n'), 1);
  stream.down(`HTTP/1.1 200 OK\r\n\r\nid: c1\ndata: ${EVENT}\n\n`, 2);
  stream.record({ kind: 'close', lane: 'sse', connection: 1, atMs: 3, by: 'cut' });
  expect(outcomes(stream.model, 'sse')).toEqual(['news']);
  down('ignored', 3);
});

test('exchanges of another tab on the same wires are not shown', () => {
  const { model, up, down } = watching('short-poll');
  up('GET /v1/events?channel=lab.orders.2 HTTP/1.1\r\n\r\n', 1);
  down(json('{"events":[],"cursor":"c","gaps":[]}'), 2);
  up(get(), 3);
  down(json('{"events":[],"cursor":"c","gaps":[]}'), 4);
  expect(model.lanes['short-poll'].exchanges.map(({ startedAtMs }) => startedAtMs)).toEqual([3]);
});

test('on a connection older than the page, the next request is the first one shown', () => {
  const { model, up, down } = watching('short-poll');
  down('lo world', 1);
  up(get(), 2);
  expect(outcomes(model, 'short-poll')).toEqual(['open']);
});

test('faults and restarts of the hub are spans of time', () => {
  const { model, record } = watching('sse');
  record({ kind: 'fault', lane: 'sse', fault: 'cut', atMs: 10, untilMs: 3010 });
  record({ kind: 'refused', lane: 'sse', atMs: 20, by: 'cut' });
  record({ kind: 'healed', lane: 'sse', fault: 'cut', atMs: 50 });
  record({ kind: 'hub', action: 'wipe', change: 'begins', atMs: 60 });
  record({ kind: 'hub', action: 'wipe', change: 'back', atMs: 90 });
  expect(model.lanes.sse.faults).toEqual([{ fault: 'cut', fromMs: 10, toMs: 50 }]);
  expect(model.lanes.sse.refusals).toEqual([{ atMs: 20, by: 'cut' }]);
  expect(model.hubSpans).toEqual([{ action: 'wipe', fromMs: 60, toMs: 90 }]);
});

test('a frozen model does not change, and the next order begins empty', () => {
  const { model, up, down, record } = watching('long-poll');
  up(get(), 1);
  model.freeze();
  record({ kind: 'close', lane: 'long-poll', connection: 1, atMs: 2, by: 'client' });
  up(get(), 3);
  expect(outcomes(model, 'long-poll')).toEqual(['open']);
  model.watch('lab.orders.3');
  down('late', 4);
  expect(model.lanes['long-poll']).toMatchObject({ exchanges: [], entries: [] });
});

function watching(lane: LaneName): {
  model: WireModel;
  up: (bytes: string, atMs: number) => void;
  down: (bytes: string, atMs: number) => void;
  record: (record: WireRecord) => void;
} {
  const model = new WireModel();
  model.watch(CHANNEL);
  const pass = (direction: Direction) => (bytes: string, atMs: number) =>
    model.apply({ kind: 'bytes', lane, connection: 1, direction, bytes, atMs });
  return { model, up: pass('up'), down: pass('down'), record: (record) => model.apply(record) };
}

function outcomes(model: WireModel, lane: LaneName): string[] {
  return model.lanes[lane].exchanges.map(outcomeOf);
}

function get(header = ''): string {
  return `GET /v1/events?channel=${CHANNEL} HTTP/1.1\r\nHost: x\r\n${header}\r\n`;
}

function json(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function frame(text: string): string {
  return `\x81${String.fromCharCode(text.length)}${text}`;
}
