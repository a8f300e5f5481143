import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';
import { firstKey } from '../identity/kit/keys.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, type Reply } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { pause, until, within } from '../kit/wait.ts';
import { rawSocket, type RawSocket } from '../kit/wire/raw-socket.ts';

/** A configuration: sections with settings. */
export type Tree = Readonly<Record<string, unknown>>;

export interface Reloaded {
  readonly applied: readonly string[];
  readonly restart: readonly string[];
  readonly sessions: number;
}

/** A hub in a process, whose configuration file the test rewrites. */
export class LiveHub {
  readonly process: HubProcess;
  readonly file: string;
  readonly key: string;
  /** The configuration at the start. */
  readonly base: Tree;
  #written: Tree;
  #channels = 0;

  private constructor(process: HubProcess, file: string, key: string, base: Tree) {
    this.process = process;
    this.file = file;
    this.key = key;
    this.base = base;
    this.#written = base;
  }

  static async start(base: Tree): Promise<LiveHub> {
    const file = join(temporaryFolder('live'), 'polycast.yaml');
    writeFileSync(file, JSON.stringify(base));
    const hub = await startHubProcess({ environment: { POLYCAST_CONFIG: file }, accessFromConfig: true });
    return new LiveHub(hub, file, await firstKey(hub), base);
  }

  /** Writes the configuration of the start with one setting changed, and reloads. */
  async change(path: string, value: unknown): Promise<Reloaded> {
    this.write(withSetting(this.base, path, value));
    return this.reload();
  }

  write(config: Tree): void {
    this.#written = config;
    writeFileSync(this.file, JSON.stringify(config));
  }

  /** Its line in the log may come after the answer; `restore` must not take it for its own. */
  async reload(): Promise<Reloaded> {
    const mark = this.process.log().length;
    const reply = await this.asServer('POST', '/v1/reload');
    if (reply.status !== 200) throw new Error(`reload: ${reply.status} ${reply.text}`);
    const { level } = (this.#written['logging'] ?? {}) as { readonly level?: string };
    if (level !== 'warn') await this.#isReloaded(mark);
    return reply.json<Reloaded>();
  }

  /** Goes back to the configuration of the start, by the signal: it needs no connection. */
  async restore(): Promise<void> {
    this.write(this.base);
    const mark = this.process.log().length;
    this.process.child.kill('SIGHUP');
    await this.#isReloaded(mark);
  }

  #isReloaded(mark: number): Promise<void> {
    return until('it is reloaded', () => this.process.log().slice(mark).includes('configuration: reloaded'));
  }

  /** A channel that no test has used. */
  channel(): string {
    return `live.${++this.#channels}`;
  }

  asServer(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.request(method, path, body, { Authorization: `Bearer ${this.key}` });
  }

  request(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    return call(this.process.url + path, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'Content-Type': 'application/json' }) },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** The status of each of several event streams that are open at once. */
  async streams(count: number, headers = ''): Promise<number[]> {
    const sockets: RawSocket[] = [];
    for (let index = 0; index < count; index++) {
      const socket = await rawSocket(this.process.url);
      sockets.push(socket);
      socket.send(
        `GET /v1/events?channel=open.1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${headers}\r\n`,
      );
      await socket.receives(/^HTTP\/1\.1 \d{3}/);
    }
    const statuses = sockets.map(({ status }) => status);
    for (const { socket } of sockets) socket.destroy();
    return statuses;
  }

  /** The status of a request whose body stays incomplete, while others of the same kind wait. */
  async incompleteBodies(count: number, bytes: number, isRefused: boolean, headers = ''): Promise<number> {
    const sockets: RawSocket[] = [];
    for (let index = 0; index < count; index++) {
      const socket = await rawSocket(this.process.url);
      sockets.push(socket);
      socket.send(
        `POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: ${bytes + 1}\r\n\r\n`,
      );
      for (let sent = 0; sent < bytes; sent += 16_384) {
        socket.send(Buffer.alloc(Math.min(16_384, bytes - sent), ' '));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    if (isRefused) await until('one is refused', () => sockets.some((socket) => socket.status > 0));
    else await pause(300);
    const status = Math.max(...sockets.map((socket) => socket.status));
    for (const { socket } of sockets) socket.destroy();
    return status;
  }

  /**
   * Sends messages on a WebSocket in one segment. Returns the codes of the answers and of the end,
   * once there are this many.
   * @param restMs how long it then waits for more
   */
  async webSocket(
    messages: readonly object[],
    count: number,
    restMs = 300,
    asServer = false,
  ): Promise<readonly unknown[]> {
    const socket = new WebSocket(`${this.process.url.replace('http', 'ws')}/v1/events`, {
      ...(asServer && { headers: { Authorization: `Bearer ${this.key}` } }),
    });
    onTestFinished(() => socket.terminate());
    const codes: unknown[] = [];
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (!text.includes('"op":"ready"')) codes.push(/"code":"(\w+)"/.exec(text)?.[1] ?? 'ok');
    });
    const closed = new Promise<void>((resolve) => {
      socket.on('close', (code) => {
        codes.push(code);
        resolve();
      });
    });
    await within('the socket to open', new Promise((resolve) => void socket.once('open', resolve)));
    const raw = (socket as unknown as { readonly _socket: { cork(): void; uncork(): void } })._socket;
    raw.cork();
    for (const message of messages) socket.send(JSON.stringify(message));
    raw.uncork();
    const isClosed = (): boolean => socket.readyState === WebSocket.CLOSED;
    await until('the answers have come', () => codes.length >= count || isClosed());
    await Promise.race([closed, pause(restMs)]);
    socket.terminate();
    return codes;
  }
}

/** A copy of a configuration with another value at a dotted path. */
export function withSetting(config: Tree, path: string, value: unknown): Tree {
  const [name = '', ...below] = path.split('.');
  if (below.length === 0) return { ...config, [name]: value };
  return { ...config, [name]: withSetting((config[name] ?? {}) as Tree, below.join('.'), value) };
}
