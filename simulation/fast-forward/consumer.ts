import { get, type ClientRequest } from 'node:http';
import { createSseParser } from '@polycast/protocol';
import { WebSocket } from 'ws';

/** The result of one read: events and gaps. */
interface ReadListener {
  event(event: { readonly id: string; readonly channel: string; readonly data: { readonly n: number } }): void;
  gap(to: string): void;
  ended(): void;
}

type Stop = () => void;

/** A consumer's position in a channel. */
interface ChannelProgress {
  next: number;
  lastId: string;
}

/**
 * A consumer that reconnects with its cursor, over one transport after the other, and notices every
 * hole. Each event contains its channel's count, which must rise by one unless a gap came, or the
 * channel stores less on purpose.
 */
export class Consumer {
  readonly violations: string[] = [];
  received = 0;
  gaps = 0;
  sessions = 0;
  readonly #base: string;
  readonly #pattern: string;
  readonly #random: () => number;
  readonly #channelProgress = new Map<string, ChannelProgress>();
  #cursor: string | undefined;
  /** A gap has announced that events may be missing up to this position. */
  #gapTo = '';
  #stop: Stop | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(base: string, pattern: string, random: () => number) {
    this.#base = base;
    this.#pattern = pattern;
    this.#random = random;
  }

  start(): void {
    if (this.#closed) return;
    this.sessions++;
    const open = OPENERS[Math.floor(this.#random() * OPENERS.length)] as (typeof OPENERS)[number];
    const query = `channel=${this.#pattern}${this.#cursor === undefined ? '' : `&after=${this.#cursor}`}`;
    this.#stop = open(this.#base, query, {
      event: (event) => this.#event(event),
      gap: (to) => this.#gap(to),
      ended: () => this.#later(),
    });
    // Up to four seconds: ten minutes, at 144 times the speed.
    this.#timer = setTimeout(
      () => {
        this.#stop?.();
        this.#later();
      },
      200 + this.#random() * 3800,
    );
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stop?.();
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#stop = undefined;
    // One time in five it is away for so long that retention removes events meanwhile.
    const awayMs = this.#random() < 0.2 ? 25_000 : 3000;
    if (!this.#closed) this.#timer = setTimeout(() => this.start(), this.#random() * awayMs);
  }

  #event({ id, channel, data: { n } }: Parameters<ReadListener['event']>[0]): void {
    this.received++;
    if (this.#cursor !== undefined && id <= this.#cursor)
      this.violations.push(`${id} after ${this.#cursor} on ${this.#pattern}`);
    this.#cursor = id;
    if (channel.startsWith('value.') || channel.startsWith('typing.') || channel.startsWith('once.')) return;
    const progress = this.#channelProgress.get(channel);
    if (progress === undefined) {
      this.#channelProgress.set(channel, { next: n + 1, lastId: id });
      return;
    }
    // More events of a gap may be lost while the rest of it is read.
    if (n !== progress.next && !(n > progress.next && progress.lastId < this.#gapTo))
      this.violations.push(`${channel}: ${n} came where ${progress.next} was due, and no gap came`);
    progress.next = n + 1;
    progress.lastId = id;
  }

  #gap(to: string): void {
    this.gaps++;
    if (to > this.#gapTo) this.#gapTo = to;
    // A gap does not name the lost events by channel, so each channel may continue anywhere.
    this.#channelProgress.clear();
  }
}

const OPENERS: readonly ((base: string, query: string, listener: ReadListener) => Stop)[] = [
  openSse,
  openWebSocket,
  openPolls,
];

function openSse(base: string, query: string, listener: ReadListener): Stop {
  const request = get(`${base}/v1/events?${query}`, { headers: { accept: 'text/event-stream' } }, (response) => {
    const parser = createSseParser();
    response.on('data', (bytes: Buffer) => {
      for (const frame of parser.feed(bytes)) {
        if (frame.kind !== 'message') continue;
        if (frame.event === 'polycast.gap') listener.gap((JSON.parse(frame.data) as { to: string }).to);
        if (frame.event === 'message') listener.event(JSON.parse(frame.data) as Parameters<ReadListener['event']>[0]);
      }
    });
  });
  request.on('error', () => undefined);
  return () => request.destroy();
}

function openWebSocket(base: string, query: string, listener: ReadListener): Stop {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/events?${query}`);
  let stopped = false;
  socket.on('message', (data: Buffer) => {
    if (stopped) return;
    const message = JSON.parse(data.toString()) as { op?: string; to: string } & Parameters<ReadListener['event']>[0];
    if (message.op === undefined) listener.event(message);
    else if (message.op === 'gap') listener.gap(message.to);
  });
  socket.on('error', () => undefined);
  return () => {
    stopped = true;
    socket.terminate();
  };
}

function openPolls(base: string, query: string, listener: ReadListener): Stop {
  let stopped = false;
  let request: ClientRequest | undefined;
  const poll = (current: string): void => {
    request = get(`${base}/v1/events?${current}&wait=30`, (response) => {
      let text = '';
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => {
          if (stopped) return;
          const answer = JSON.parse(text) as {
            events: Parameters<ReadListener['event']>[0][];
            gaps: { to: string }[];
            cursor: string;
          };
          for (const { to } of answer.gaps) listener.gap(to);
          for (const event of answer.events) listener.event(event);
          poll(query.replace(/&after=.*$/, '') + `&after=${answer.cursor}`);
        });
    });
    request.on('error', () => undefined);
  };
  poll(query);
  return () => {
    stopped = true;
    request?.destroy();
  };
}
