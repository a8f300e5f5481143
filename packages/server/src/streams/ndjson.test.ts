import { encodeCursor, inChunks } from '@polycast/protocol';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openAuthenticatedHub, sessionCount } from '../testing/authenticated-hub.ts';
import { openTestHub } from '../testing/open-hub.ts';
import type { Hub } from '../hub.ts';
import { joinFrames } from '../core/events/batch.ts';
import { ndjsonFraming } from './ndjson.ts';

interface Line {
  readonly op?: string;
  readonly id?: string;
  readonly data?: unknown;
  readonly [member: string]: unknown;
}

/** Reads the lines of a stream as they come. */
class Lines {
  readonly #lines: AsyncIterator<string>;
  readonly response: Response;
  readonly #controller: AbortController;

  constructor(response: Response, controller: AbortController) {
    this.response = response;
    this.#controller = controller;
    this.#lines = createInterface({ input: Readable.fromWeb(response.body as ReadableStream) })[Symbol.asyncIterator]();
  }

  static async open(hub: Pick<Hub, 'url'>, query: string, headers: Record<string, string> = {}): Promise<Lines> {
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    const response = await fetch(`${hub.url}/v1/events?${query}`, {
      headers: { Accept: 'application/x-ndjson', ...headers },
      signal: controller.signal,
    });
    return new Lines(response, controller);
  }

  /** The next line; `undefined` at the end. */
  async next(): Promise<Line | undefined> {
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(value) as Line);
  }

  /** The next lines that are events. */
  async events(count: number): Promise<readonly Line[]> {
    const events: Line[] = [];
    while (events.length < count) {
      const line = await this.next();
      if (line === undefined) throw new Error('The stream ended.');
      if (line.op === undefined) events.push(line);
    }
    return events;
  }

  abort(): void {
    this.#controller.abort();
  }
}

async function publish(hub: Pick<Hub, 'url'>, channel: string, ...data: readonly unknown[]): Promise<void> {
  const body = JSON.stringify(data.map((each) => ({ channel, data: each })));
  const headers = { 'content-type': 'application/json' };
  await (await fetch(`${hub.url}/v1/events`, { method: 'POST', headers, body })).text();
}

test('a stream begins with ready, and each event is one line', async () => {
  const hub = await openTestHub();
  await publish(hub, 'a', 1);
  const lines = await Lines.open(hub, 'channel=a&after=earliest');
  expect(lines.response.headers.get('content-type')).toBe('application/x-ndjson');
  expect(lines.response.headers.get('cache-control')).toBe('no-store, no-transform');
  expect(await lines.next()).toEqual({
    op: 'ready',
    cursor: expect.stringMatching(/^.{22}$/),
    session: expect.any(String),
    heartbeatMs: 25_000,
  });
  await publish(hub, 'a', 'two\nlines', { é: true });
  expect((await lines.events(3)).map(({ data }) => data)).toEqual([1, 'two\nlines', { é: true }]);
});

test('a stream resumes after a cursor, from the query or from Last-Event-ID', async () => {
  const hub = await openTestHub();
  await publish(hub, 'a', 1, 2, 3);
  const [first] = await (await Lines.open(hub, 'channel=a&after=earliest')).events(1);
  const id = first?.id ?? '';
  for (const lines of [
    await Lines.open(hub, `channel=a&after=${id}`),
    await Lines.open(hub, 'channel=a&after=earliest', { 'Last-Event-ID': id }),
  ])
    expect((await lines.events(2)).map(({ data }) => data)).toEqual([2, 3]);
});

test('a gap is a line of its own, before the events that follow it', async () => {
  const hub = await openTestHub();
  await publish(hub, 'a', 1);
  const cursor = encodeCursor('0000000000', 7);
  const lines = await Lines.open(hub, `channel=a&after=${cursor}`);
  expect(await lines.next()).toMatchObject({ op: 'ready' });
  expect(await lines.next()).toMatchObject({ op: 'gap', from: cursor, reason: 'epoch' });
});

test('each heartbeat is a line with the cursor', async () => {
  const hub = await openTestHub('delivery.heartbeatMs=1000');
  const lines = await Lines.open(hub, 'channel=a');
  const ready = await lines.next();
  await publish(hub, 'other', 1);
  const heartbeat = await lines.next();
  expect(heartbeat).toEqual({ op: 'heartbeat', cursor: expect.stringMatching(/^.{22}$/) });
  expect(String(heartbeat?.['cursor']) > String(ready?.['cursor'])).toBe(true);
});

test('a draining hub sends the drain message, and ends the body in order', async () => {
  const hub = await openTestHub('drain.timeMs=0');
  const lines = await Lines.open(hub, 'channel=a');
  expect(await lines.next()).toMatchObject({ op: 'ready' });
  void hub.drain();
  expect(await lines.next()).toEqual({ op: 'draining', reconnectInMs: expect.any(Number) });
  expect(await lines.next()).toBeUndefined();
});

test('a stream counts as a session of its transport, and a disconnected user receives the reason', async () => {
  // At a higher speed a heartbeat would come between two lines.
  const hub = await openAuthenticatedHub({}, 1);
  const lines = await Lines.open(hub, 'channel=@me', { Authorization: `Bearer ${hub.token('ann')}` });
  expect(await lines.next()).toMatchObject({ op: 'ready' });
  expect(await sessionCount(hub, 'ndjson')).toBe(1);
  const user = (await (await hub.administer('GET', '/v1/users/ann')).json()) as { sessions: object[] };
  expect(user.sessions).toMatchObject([{ transport: 'ndjson' }]);
  await hub.administer('POST', '/v1/users/ann/disconnect');
  expect(await lines.next()).toEqual({ op: 'closing', code: 'unauthorized' });
  expect(await lines.next()).toBeUndefined();
  await vi.waitFor(async () => expect(await sessionCount(hub, 'ndjson')).toBe(0));
});

test('with Connection: close the body has no chunks', async () => {
  const hub = await openTestHub();
  await publish(hub, 'a', 1);
  const socket = connect(hub.port, '127.0.0.1').setEncoding('utf8');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (piece) => (text += String(piece)));
  socket.write(
    'GET /v1/events?channel=a&after=earliest HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\nConnection: close\r\n\r\n',
  );
  await vi.waitFor(() => expect(text).toContain('"data":1'));
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head).not.toMatch(/transfer-encoding/i);
  expect(
    body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => typeof JSON.parse(line)),
  ).toEqual(['object', 'object']);
});

test.each([ndjsonFraming, inChunks(ndjsonFraming)])('the frames of $name can be distinguished', (framing) => {
  const records = ['1', '"a"', '{"b":[]}'].map((data, index) => ({
    position: index + 1,
    channel: 'a',
    type: undefined,
    timeMs: 0,
    body: Buffer.from(`"channel":"a","data":${data}}`),
  }));
  const bytes = joinFrames(framing, '0000000000', records, Buffer.allocUnsafe);
  const { wrapper } = framing;
  let at = wrapper?.contentOffset(bytes) ?? 0;
  const read: unknown[] = [];
  for (const _ of records) {
    const end = framing.frameEnd(bytes, at);
    read.push((JSON.parse(Buffer.from(bytes.subarray(framing.jsonOffset(bytes, at), end)).toString()) as Line).data);
    at = end;
  }
  expect(read).toEqual([1, 'a', { b: [] }]);
  expect(at).toBe(bytes.length - (wrapper?.suffixBytes ?? 0));
});
