import * as http from 'node:http';
import * as https from 'node:https';
import { createSseParser, TRANSPORTS, type Gap, type SseFrame, type TransportName } from '@polycast/protocol';
import WebSocket from 'ws';
import { call, query } from '../http.ts';
import { eventsOf, membersOf, rawEvent, type RawEvent } from '../wire/raw-events.ts';
import { pause } from '../wait.ts';

export { TRANSPORTS };
export type Transport = TransportName;

/** The channels that a follower reads, and its start. */
export interface FollowOptions {
  readonly channels: readonly string[];
  readonly types?: readonly string[];
  /** A cursor, `earliest` or `now`. */
  readonly after: string;
  /** Sent along as `Authorization: Bearer`. */
  readonly token?: string;
}

/** The delay before it reconnects. */
const RECONNECT_DELAY_MS = 20;
const POLL_INTERVAL_MS = 10;
const LIMIT = 100;

/**
 * A reader that keeps its cursor. It uses one transport at a time, reconnects with its cursor
 * whenever the connection is lost, and can change to another transport in mid-stream.
 */
export class Follower {
  readonly received: RawEvent[] = [];
  readonly gaps: Gap[] = [];
  /** Refusals and other errors. */
  readonly errors: string[] = [];
  /** Close codes and other endings, in order. */
  readonly endings: string[] = [];
  hub: string;
  connects = 0;
  #options: FollowOptions;
  #cursor: string;
  #transport: Transport;
  #disconnect: () => void = () => undefined;
  #stopped = false;
  /** Incremented with each change of transport: messages of an older transport are ignored. */
  #generation = 0;
  readonly #running: Promise<void>;

  constructor(hub: string, transport: Transport, options: FollowOptions) {
    this.hub = hub;
    this.#transport = transport;
    this.#options = options;
    this.#cursor = options.after;
    this.#running = this.#run();
  }

  get cursor(): string {
    return this.#cursor;
  }

  /** Continues with another transport from its cursor. */
  moveTo(transport: Transport): void {
    this.#transport = transport;
    this.reconnect();
  }

  /** Continues at its hub from its cursor. */
  reconnect(): void {
    this.#generation++;
    this.#disconnect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#generation++;
    this.#disconnect();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const generation = this.#generation;
      this.connects++;
      try {
        await READ[this.#transport](this.hub, { ...this.#options, after: this.#cursor }, this.#listenerFor(generation));
      } catch (error) {
        this.endings.push(String((error as NodeJS.ErrnoException).code ?? error));
      }
      if (generation === this.#generation)
        await pause(this.#transport === 'short-poll' ? POLL_INTERVAL_MS : RECONNECT_DELAY_MS);
    }
  }

  #listenerFor(generation: number): ReaderListener {
    const isCurrent = (): boolean => generation === this.#generation;
    return {
      event: (event) => {
        if (!isCurrent()) return;
        this.received.push(event);
        this.#cursor = event.id;
      },
      cursor: (cursor) => {
        if (isCurrent()) this.#cursor = cursor;
      },
      gap: (gap) => {
        if (!isCurrent()) return;
        this.gaps.push(gap);
        // The rest of a gap of retention follows (PROTOCOL.md section 2.3).
        if (gap.reason === 'epoch') this.#cursor = gap.to;
      },
      error: (what) => void this.errors.push(what),
      ended: (how) => void this.endings.push(how),
      onDisconnect: (leave) => (this.#disconnect = leave),
    };
  }
}

interface ReaderListener {
  readonly event: (event: RawEvent) => void;
  readonly cursor: (cursor: string) => void;
  readonly gap: (gap: Gap) => void;
  readonly error: (what: string) => void;
  readonly ended: (how: string) => void;
  readonly onDisconnect: (leave: () => void) => void;
}

type Read = (hub: string, options: FollowOptions, listener: ReaderListener) => Promise<void>;

const READ: Readonly<Record<Transport, Read>> = {
  'short-poll': (hub, options, listener) => poll(hub, options, 0, listener),
  'long-poll': (hub, options, listener) => poll(hub, options, 20, listener),
  sse: readSse,
  ndjson: readLines,
  websocket: readWebSocket,
};

async function poll(
  hub: string,
  { channels, types, after, token }: FollowOptions,
  waitSeconds: number,
  listener: ReaderListener,
): Promise<void> {
  const { Agent } = hub.startsWith('https:') ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let left = false;
  listener.onDisconnect(() => {
    left = true;
    agent.destroy();
  });
  try {
    for (let cursor = after; !left;) {
      const target = query({ channel: channels, type: types, after: cursor, limit: LIMIT, wait: waitSeconds });
      const reply = await call(`${hub}/v1/events?${target}`, { agent, headers: authorization(token) });
      if (left) return;
      if (reply.status !== 200) {
        if (reply.status !== 503) listener.error(`${reply.status} ${reply.text}`);
        return;
      }
      const events = eventsOf(reply.text);
      const members = membersOf(reply.text);
      for (const gap of JSON.parse(members.get('gaps') ?? '[]') as readonly Gap[]) listener.gap(gap);
      for (const event of events) listener.event(event);
      cursor = JSON.parse(members.get('cursor') ?? '""') as string;
      listener.cursor(cursor);
      if (waitSeconds === 0 && events.length === 0) await pause(POLL_INTERVAL_MS);
    }
  } finally {
    agent.destroy();
  }
}

function readSse(
  hub: string,
  { channels, types, after, token }: FollowOptions,
  listener: ReaderListener,
): Promise<void> {
  // The cursor is sent where EventSource sends it.
  const isCursor = after.length === 22;
  const target = query({ channel: channels, type: types, after: isCursor ? undefined : after });
  const headers = {
    Accept: 'text/event-stream',
    ...authorization(token),
    ...(isCursor ? { 'Last-Event-ID': after } : {}),
  };
  const parser = createSseParser({ onIgnored: (line) => void (line.startsWith(':') || listener.error(line)) });
  return readStream(`${hub}/v1/events?${target}`, headers, listener, (bytes) => {
    for (const frame of parser.feed(bytes)) sseFrame(frame, listener);
  });
}

/** JSON lines: the messages of a WebSocket, one per line. */
function readLines(
  hub: string,
  { channels, types, after, token }: FollowOptions,
  listener: ReaderListener,
): Promise<void> {
  const target = query({ channel: channels, type: types, after });
  const headers = { Accept: 'application/x-ndjson', ...authorization(token) };
  const decoder = new TextDecoder();
  let rest = '';
  return readStream(`${hub}/v1/events?${target}`, headers, listener, (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) jsonMessage(line, listener);
  });
}

function readStream(
  url: string,
  headers: Readonly<Record<string, string>>,
  listener: ReaderListener,
  feed: (bytes: Buffer) => void,
): Promise<void> {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve) => {
    const request = get(url, { headers, agent: false, rejectUnauthorized: false } as http.RequestOptions);
    listener.onDisconnect(() => request.destroy());
    request.on('error', (error) => listener.ended(String((error as NodeJS.ErrnoException).code)));
    request.on('close', () => resolve());
    request.on('response', (answer) => {
      if (answer.statusCode !== 200 && answer.statusCode !== 503) listener.error(`${answer.statusCode}`);
      answer.on('data', feed);
      answer.on('error', () => undefined);
      answer.on('end', () => listener.ended('end'));
    });
  });
}

function sseFrame(frame: SseFrame, listener: ReaderListener): void {
  if (frame.kind === 'retry') return;
  if (frame.kind === 'id') listener.cursor(frame.id);
  else if (frame.event === 'polycast.gap') listener.gap(JSON.parse(frame.data) as Gap);
  else if (frame.event === 'polycast.draining') listener.ended('draining');
  else if (frame.event === 'message') listener.event(rawEvent(frame.data));
  else if (frame.id !== '') listener.cursor(frame.id);
}

function readWebSocket(
  hub: string,
  { channels, types, after, token }: FollowOptions,
  listener: ReaderListener,
): Promise<void> {
  const target = query({ channel: channels, type: types, after });
  return new Promise((resolve) => {
    const socket = new WebSocket(`${hub.replace(/^http/, 'ws')}/v1/events?${target}`, 'polycast.v1', {
      headers: authorization(token),
      rejectUnauthorized: false,
    });
    listener.onDisconnect(() => socket.terminate());
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, answer) => {
      if (answer.statusCode !== 503) listener.error(`${answer.statusCode}`);
      // The end of the request alone would not close the socket.
      socket.terminate();
    });
    socket.on('message', (message: Buffer) => jsonMessage(message.toString('utf8'), listener));
    socket.on('close', (code) => {
      listener.ended(String(code));
      resolve();
    });
  });
}

function jsonMessage(text: string, listener: ReaderListener): void {
  const members = membersOf(text);
  const op = members.get('op');
  if (op === undefined) listener.event(rawEvent(text));
  else if (op === '"gap"') listener.gap(JSON.parse(text) as Gap);
  else if (op === '"draining"' || op === '"closing"') listener.ended(JSON.parse(op) as string);
  else if (members.has('cursor')) listener.cursor(JSON.parse(members.get('cursor') as string) as string);
  else listener.error(text);
}

function authorization(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}
