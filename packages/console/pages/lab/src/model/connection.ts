import type { Exchange, ExchangeKind, WireEntry } from './exchange.ts';
import { FrameReader, frameName } from './frame-reader.ts';
import { HttpReader } from './http-reader.ts';
import type { HttpHead, HttpPart } from './http-reader.ts';
import { textOf } from './latin1.ts';
import type { CloseCause, Direction, LaneName } from './records.ts';
import { responderOf, requesterOf } from './sides.ts';
import { StreamReader } from './stream-reader.ts';

/** Receives the results of a connection's reader. */
export interface ConnectionSink {
  /** Undefined when the page does not show this exchange. */
  begin(exchange: Omit<Exchange, 'number'>): Exchange | undefined;
  addEntry(entry: Omit<WireEntry, 'number'>): void;
}

/**
 * Reads both directions of one TCP connection: HTTP exchanges one after another, the last of which
 * may become a WebSocket.
 */
export class Connection {
  readonly #lane: LaneName;
  readonly #sink: ConnectionSink;
  readonly #http = { up: new HttpReader(), down: new HttpReader() };
  readonly #frames = { up: new FrameReader(), down: new FrameReader() };
  #exchange: Exchange | undefined;
  /** Bytes of a request whose head is incomplete. */
  #bytesUpPending = 0;
  #body = '';
  #stream = new StreamReader();

  constructor(lane: LaneName, sink: ConnectionSink) {
    this.#lane = lane;
    this.#sink = sink;
  }

  feed(direction: Direction, bytes: string, atMs: number): void {
    if (direction === 'up' && this.#exchange?.kind === 'socket') this.#exchange.bytesUp += bytes.length;
    else if (direction === 'up') this.#bytesUpPending += bytes.length;
    else if (this.#exchange !== undefined) this.#exchange.bytesDown += bytes.length;
    for (const part of this.#http[direction].feed(bytes)) this.#read(direction, part, atMs);
  }

  close(by: CloseCause, atMs: number): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.broken = by === 'cut' || exchange.kind === 'poll' || exchange.kind === 'call';
    exchange.endedAtMs = atMs;
    this.#exchange = undefined;
    this.#sink.addEntry({
      exchange: exchange.number,
      direction: 'note',
      atMs,
      kind: 'note',
      label: '',
      text: closeNote(by, this.#lane),
      byteCount: 0,
    });
  }

  #read(direction: Direction, part: HttpPart, atMs: number): void {
    if (part.kind === 'head') this.#readHead(direction, part, atMs);
    else if (this.#exchange === undefined) return;
    else if (part.kind === 'other') this.#readFrames(this.#exchange, direction, part.bytes, atMs);
    else if (direction === 'up') this.#readCall(this.#exchange, part, atMs);
    else if (part.kind === 'body') this.#readBody(this.#exchange, part.bytes, atMs);
    else this.#endOfAnswer(this.#exchange, atMs);
  }

  #readHead(direction: Direction, head: HttpHead, atMs: number): void {
    if (direction === 'up') this.#begin(head, atMs);
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (direction === 'down') {
      exchange.status = Number(head.startLine.split(' ')[1]);
      this.#stream = new StreamReader();
    }
    this.#body = '';
    const label = direction === 'up' ? 'request' : 'answer';
    this.#sink.addEntry({
      exchange: exchange.number,
      direction,
      atMs,
      kind: 'head',
      label,
      text: head.text,
      byteCount: head.text.length + 4,
    });
  }

  #begin(head: HttpHead, atMs: number): void {
    const [method = '', target = ''] = head.startLine.split(' ');
    this.#exchange = this.#sink.begin({
      lane: this.#lane,
      method,
      target,
      kind: kindOf(this.#lane, method, head.headers),
      startedAtMs: atMs,
      endedAtMs: undefined,
      status: undefined,
      bytesUp: this.#bytesUpPending,
      bytesDown: 0,
      events: 0,
      gaps: 0,
      broken: false,
    });
    this.#bytesUpPending = 0;
  }

  /** The hub's delivery, the only request whose body is shown. */
  #readCall(exchange: Exchange, part: HttpPart, atMs: number): void {
    if (part.kind === 'body') this.#body += part.bytes;
    if (part.kind !== 'end' || exchange.kind !== 'call' || this.#body === '') return;
    this.#addEntry(exchange, 'up', 'event', 'body', textOf(this.#body), this.#body.length, atMs);
    this.#body = '';
  }

  #readBody(exchange: Exchange, bytes: string, atMs: number): void {
    if (exchange.kind !== 'stream') {
      this.#body += bytes;
      return;
    }
    for (const { kind, label, bytes: block } of this.#stream.feed(bytes)) {
      if (kind === 'event') exchange.events++;
      if (label === 'polycast.gap') exchange.gaps++;
      this.#addEntry(exchange, 'down', kind, label, textOf(block).trim(), block.length, atMs);
    }
  }

  #endOfAnswer(exchange: Exchange, atMs: number): void {
    exchange.endedAtMs = atMs;
    this.#exchange = undefined;
    if (exchange.kind === 'call') return this.#endOfCall(exchange, atMs);
    if (this.#body === '') return;
    const answer = parsePoll(textOf(this.#body));
    exchange.events = answer.events;
    exchange.gaps = answer.gaps;
    this.#addEntry(
      exchange,
      'down',
      answer.events > 0 ? 'event' : 'body',
      'body',
      answer.text,
      this.#body.length,
      atMs,
    );
  }

  #endOfCall(exchange: Exchange, atMs: number): void {
    if ((exchange.status ?? 0) < 300) exchange.events = 1;
    if (this.#body !== '')
      this.#addEntry(exchange, 'down', 'body', 'body', textOf(this.#body), this.#body.length, atMs);
  }

  #readFrames(exchange: Exchange, direction: Direction, bytes: string, atMs: number): void {
    for (const frame of this.#frames[direction].feed(bytes)) {
      const text = frame.opcode === 8 ? closeText(frame.payload) : textOf(frame.payload);
      const isEvent = frame.opcode === 1 && text.startsWith('{"id":');
      if (isEvent) exchange.events++;
      if (text.startsWith('{"op":"gap"')) exchange.gaps++;
      const label = `${frameName(frame)} frame${frame.masked ? ', unmasked' : ''}`;
      this.#addEntry(exchange, direction, isEvent ? 'event' : 'control', label, text, frame.byteCount, atMs);
    }
  }

  #addEntry(
    exchange: Exchange,
    direction: Direction,
    kind: WireEntry['kind'],
    label: string,
    text: string,
    byteCount: number,
    atMs: number,
  ): void {
    this.#sink.addEntry({ exchange: exchange.number, direction, atMs, kind, label, text, byteCount });
  }
}

function closeNote(by: CloseCause, lane: LaneName): string {
  if (by === 'cut') return 'The network was cut: connection reset.';
  return `The ${by === 'client' ? requesterOf(lane) : responderOf(lane)} closed the connection.`;
}

function kindOf(lane: LaneName, method: string, headers: ReadonlyMap<string, string>): ExchangeKind {
  if (lane === 'webhook') return 'call';
  if (method === 'OPTIONS') return 'preflight';
  if (headers.has('upgrade')) return 'socket';
  return headers.get('accept')?.includes('text/event-stream') ? 'stream' : 'poll';
}

function parsePoll(text: string): { events: number; gaps: number; text: string } {
  try {
    const { events, gaps } = JSON.parse(text) as { events?: unknown[]; gaps?: unknown[] };
    return { events: events?.length ?? 0, gaps: gaps?.length ?? 0, text };
  } catch {
    // The hub compresses answers of 1 KiB and more (PROTOCOL.md 5.5). No empty answer is that long.
    return { events: 1, gaps: 0, text: '(compressed)' };
  }
}

function closeText(payload: string): string {
  if (payload.length < 2) return 'no code';
  return `${payload.charCodeAt(0) * 256 + payload.charCodeAt(1)} ${textOf(payload.slice(2))}`.trimEnd();
}
