import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { createSseParser } from '@polycast/protocol';
import { until } from '../wait.ts';

export interface Http2Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One connection of Node's own client of HTTP/2. */
export class Http2Client {
  readonly session: ClientHttp2Session;
  /** The code of the received GOAWAY; undefined before. */
  goAway: number | undefined;

  constructor(hub: string) {
    this.session = connect(hub, { rejectUnauthorized: false });
    this.session.on('error', () => undefined);
    this.session.on('goaway', (code) => (this.goAway = code));
  }

  get closed(): boolean {
    return this.session.destroyed;
  }

  ask(path: string, headers: Readonly<Record<string, string>> = {}, body?: string | Buffer): Promise<Http2Reply> {
    const method = body === undefined ? 'GET' : 'POST';
    const reading = new Http2Response(
      this.session.request({ ':path': path, ':method': method, ...headers }, { endStream: body === undefined }),
    );
    if (body !== undefined) reading.stream.end(body);
    return reading.completed();
  }

  publish(channel: string, data: unknown): Promise<Http2Reply> {
    return this.ask('/v1/events', { 'content-type': 'application/json' }, JSON.stringify({ channel, data }));
  }

  /** An event stream, which is read as it arrives. */
  listen(path: string, headers: Readonly<Record<string, string>> = {}): Http2Response {
    return new Http2Response(this.session.request({ ':path': path, accept: 'text/event-stream', ...headers }));
  }

  /** A request whose body the caller sends. */
  post(path: string, headers: Readonly<Record<string, string>>): Http2Response {
    return new Http2Response(this.session.request({ ':path': path, ':method': 'POST', ...headers }));
  }

  close(): void {
    this.session.destroy();
  }
}

/** An answer, while it arrives. */
export class Http2Response {
  readonly stream: ClientHttp2Stream;
  headers: IncomingHttpHeaders = {};
  text = '';
  ended = false;
  closed = false;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on('response', (headers) => (this.headers = headers));
    stream.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    stream.on('end', () => (this.ended = true));
    stream.on('error', () => undefined);
    stream.on('close', () => (this.closed = true));
  }

  get status(): number {
    return Number(this.headers[':status'] ?? 0);
  }

  /** The `data:` of events without a name, as `onmessage` receives them. */
  get events(): readonly string[] {
    const frames = createSseParser().feed(Buffer.from(this.text));
    return frames.flatMap((frame) => (frame.kind === 'message' && frame.event === 'message' ? [frame.data] : []));
  }

  receives(text: string): Promise<void> {
    return until(`${text} comes`, () => this.text.includes(text));
  }

  async completed(): Promise<Http2Reply> {
    await until('the answer is whole', () => this.closed, 70_000);
    return { status: this.status, headers: this.headers, text: this.text };
  }
}
