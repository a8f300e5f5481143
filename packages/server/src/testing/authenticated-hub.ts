import { createHmac } from 'node:crypto';
import { createSseParser } from '@polycast/protocol';
import { onTestFinished, vi } from 'vitest';
import WebSocket from 'ws';
import { parseConfig } from '../config/parse.ts';
import { openHub, type Hub } from '../hub.ts';
import { fastWorld, type World } from '../operate/world.ts';

/** Helpers for tests of transports with identities. */
export const RULES: readonly object[] = [
  { pattern: 'news.>', subscribe: ['anyone'] },
  { pattern: 'inbox.{user}', subscribe: ['owner'] },
  { pattern: 'staff', subscribe: [{ claim: 'role', value: 'staff' }] },
  { pattern: 'chat.>', subscribe: ['users'], publish: ['users'] },
  { pattern: 'wall', subscribe: ['anyone'], publish: ['anyone'] },
  { pattern: 'log', subscribe: ['users'], history: ['anyone'] },
  { pattern: 'live', subscribe: ['users'], history: ['server'] },
];

const SECRET = 'a secret of thirty-two bytes or more';
/** Minutes pass in seconds. */
const SPEED = 50;

/** A hub with rules that accepts the test's tokens. */
export interface AuthenticatedHub extends Hub {
  /**
   * A token of the site.
   * @param claims beside `sub`, `iat` and `exp`
   */
  token(user: string, ttlSeconds?: number, claims?: object): string;
  /** Publishes as the site's own server. */
  publish(channel: string, data: unknown): Promise<void>;
  /** Sends a request as the administrator. */
  administer(method: string, path: string, body?: unknown): Promise<Response>;
  follow(query: string, token?: string, headers?: Readonly<Record<string, string>>): Promise<EventStreamRecorder>;
  socket(query: string, options?: WebSocket.ClientOptions): WebSocketRecorder;
}

/** @param settings in addition to the rules, which they may replace */
export async function openAuthenticatedHub(settings: object = {}, speed: number = SPEED): Promise<AuthenticatedHub> {
  const world = speed === 1 ? fastWorld(speed) : steadyWorld(speed);
  const config = parseConfig({
    listen: '127.0.0.1:0',
    data: ':memory:',
    access: 'rules',
    rules: RULES,
    logging: { level: 'silent' },
    ...settings,
    identity: {
      tokens: [{ leewaySeconds: 0, keys: [{ algorithm: 'HS256', secret: SECRET }] }],
      ...section(settings, 'identity'),
    },
    // The time limit of half a minute for authentication would be half a second here. And a request
    // could take an idle connection in the moment in which the hub closes it.
    limits: {
      webSocketEntryTimeoutMs: 3_600_000,
      keepAliveTimeoutMs: 3_600_000,
      ...section(settings, 'limits'),
    },
  });
  const hub = await openHub(config, { world });
  onTestFinished(() => hub.close());
  const key = hub.firstKey as string;
  const administer = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(hub.url + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return Object.assign(hub, {
    administer,
    token(user: string, ttlSeconds = 3600, claims: object = {}) {
      const iat = Math.floor(world.clock.nowMs() / 1000);
      return sign({ sub: user, iat, exp: iat + ttlSeconds, jti: `${user}-${iat}-${ttlSeconds}`, ...claims });
    },
    async publish(channel: string, data: unknown) {
      const answer = await administer('POST', '/v1/events', { channel, data });
      if (answer.status !== 201) throw new Error(await answer.text());
    },
    async follow(query: string, token?: string, headers: Readonly<Record<string, string>> = {}) {
      const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const answer = await fetch(`${hub.url}/v1/events?${query}`, {
        headers: { Accept: 'text/event-stream', ...authorization, ...headers },
      });
      return new EventStreamRecorder(answer);
    },
    socket: (query: string, options: WebSocket.ClientOptions = {}) =>
      new WebSocketRecorder(`${hub.url.replace('http', 'ws')}/v1/events?${query}`, options),
  });
}

/** The received text of an event stream. */
export class EventStreamRecorder {
  readonly status: number;
  readonly headers: Headers;
  text = '';
  hasEnded = false;

  constructor(answer: Response) {
    this.status = answer.status;
    this.headers = answer.headers;
    void this.#read(answer.body as ReadableStream<Uint8Array>);
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const bytes of body) this.text += decoder.decode(bytes, { stream: true });
    } catch {
      this.text += '(cut off)';
    }
    this.hasEnded = true;
  }

  /** The data of all events so far. */
  get events(): readonly Readonly<Record<string, unknown>>[] {
    const frames = createSseParser().feed(Buffer.from(this.text));
    return frames.flatMap((frame) =>
      frame.kind === 'message' && frame.event === 'message' ? [JSON.parse(frame.data) as Record<string, unknown>] : [],
    );
  }

  waitForText(text: string): Promise<void> {
    return vi.waitFor(() => {
      if (!this.text.includes(text)) throw new Error(`${text} is not in ${this.text}`);
    }, WAIT);
  }

  waitForEnd(): Promise<void> {
    return vi.waitFor(() => {
      if (!this.hasEnded) throw new Error(`it goes on: ${this.text}`);
    }, WAIT);
  }
}

type Message = Readonly<Record<string, unknown>>;

/** The received messages of a WebSocket. */
export class WebSocketRecorder {
  readonly #socket: WebSocket;
  readonly messages: Message[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The status of a refused handshake. */
  refused: number | undefined;
  #ref = 0;

  constructor(url: string, options: WebSocket.ClientOptions) {
    this.#socket = new WebSocket(url, options);
    onTestFinished(() => this.#socket.terminate());
    this.#socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
    this.#socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    this.#socket.on('error', () => undefined);
    this.#socket.on('unexpected-response', (request, answer) => {
      this.refused = answer.statusCode;
      request.destroy();
    });
  }

  get events(): readonly Message[] {
    return this.messages.filter(({ op }) => op === undefined);
  }

  /** The first message with these members. */
  waitForMessage(members: Message): Promise<Message> {
    return vi.waitFor(() => {
      const found = this.messages.find((message) =>
        Object.entries(members).every(([name, value]) => message[name] === value),
      );
      if (found === undefined) throw new Error(`${JSON.stringify(members)} is not in ${JSON.stringify(this.messages)}`);
      return found;
    }, WAIT);
  }

  async request(operation: Message): Promise<Message> {
    const ref = ++this.#ref;
    await this.waitForMessage({ op: 'ready' });
    this.#socket.send(JSON.stringify({ ...operation, ref }));
    return this.waitForMessage({ ref });
  }

  /** Sends an operation, and waits for no answer. */
  send(operation: Message): void {
    this.#socket.send(JSON.stringify({ ...operation, ref: ++this.#ref }));
  }

  waitForClose(): Promise<{ readonly code: number; readonly reason: string }> {
    return vi.waitFor(() => {
      if (this.closed === undefined) throw new Error(`it goes on: ${JSON.stringify(this.messages)}`);
      return this.closed;
    }, WAIT);
  }

  waitForRefusal(): Promise<number> {
    return vi.waitFor(() => {
      if (this.refused === undefined) throw new Error('it was not refused');
      return this.refused;
    }, WAIT);
  }

  close(): void {
    this.#socket.close();
  }
}

/** Publishes without credentials. */
export function publishAs(hub: AuthenticatedHub, path: string, body: object, token?: string): Promise<Response> {
  return fetch(hub.url + path, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

/** The current number of sessions. */
export async function sessionCount(hub: AuthenticatedHub, transport: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(new RegExp(`^polycast_sessions\\{transport="${transport}"\\} (\\d+)`, 'm').exec(text)?.[1]);
}

const WAIT = { interval: 5 };

/** The longest real time between two looks at a steady clock that counts. */
const PAUSE_MS_MAX = 50;

/**
 * A fast world whose clock stands still while the machine does: a longer pause counts as
 * `PAUSE_MS_MAX`. Otherwise a pause of a second would end credentials that are valid for a minute.
 */
function steadyWorld(speed: number): World {
  const startWallMs = Date.now();
  let seenMs = performance.now();
  let elapsedMs = 0;
  const monotonicMs = (): number => {
    const realMs = performance.now();
    elapsedMs += Math.min(realMs - seenMs, PAUSE_MS_MAX) * speed;
    seenMs = realMs;
    return elapsedMs;
  };
  const timer = setInterval(monotonicMs, 5);
  onTestFinished(() => clearInterval(timer));
  return { ...fastWorld(speed), clock: { nowMs: () => Math.floor(startWallMs + monotonicMs()), monotonicMs } };
}

function section(settings: object, name: 'identity' | 'limits'): object {
  return (settings as Readonly<Record<string, object | undefined>>)[name] ?? {};
}

function sign(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
