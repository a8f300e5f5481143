// Clients of a cluster, in this process: a publisher, readers, a webhook's endpoint and a worker.
// The events have numbers, and each client notes when it received which.
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const intervalMs = 20;
const retryMs = 10;
const requestTimeoutMs = 40_000;
const ok = 200;
const created = 201;
const multipleChoices = 300;

/** The times of numbered events, by `performance.now()`. */
export class Numbers {
  readonly #times = new Map<string, number>();
  /** Events that came once more. */
  repeated = 0;

  add(name: string): void {
    if (this.#times.has(name)) this.repeated++;
    else this.#times.set(name, performance.now());
  }

  has(name: string): boolean {
    return this.#times.has(name);
  }

  get names(): readonly string[] {
    return [...this.#times.keys()];
  }

  get times(): readonly number[] {
    return [...this.#times.values()];
  }

  countSince(sinceMs: number): number {
    return this.times.filter((time) => time >= sinceMs).length;
  }
}

export interface Credentials {
  readonly url: string;
  readonly token: string;
}

/**
 * Publishes one event after the other. It repeats a publish under the same key until it is
 * acknowledged.
 */
export class Publishing {
  readonly acknowledged = new Numbers();
  readonly #begun: { readonly name: string; readonly atMs: number }[] = [];
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(to: Credentials, name: string, channel: string) {
    this.#running = this.#run(to, name, channel);
  }

  /** The events whose first publish was sent since a time. */
  begunSince(sinceMs: number): readonly string[] {
    return this.#begun.flatMap(({ name, atMs }) => (atMs >= sinceMs ? [name] : []));
  }

  /** @returns the longest time between two acknowledgements since a time */
  longestPauseMs(sinceMs: number): number {
    let longest = 0;
    let before = sinceMs;
    for (const time of this.acknowledged.times.filter((each) => each >= sinceMs)) {
      longest = Math.max(longest, time - before);
      before = time;
    }
    return longest;
  }

  /** Ends after the publish in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Ends without an answer, as with a hub that was killed. */
  abandon(): void {
    this.#stopped = true;
  }

  async #run({ url, token }: Credentials, publisher: string, channel: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; !this.#stopped; count++) {
      const name = `${publisher}-${count}`;
      this.#begun.push({ name, atMs: performance.now() });
      const body = { channel, data: `~${name}~`, idempotencyKey: name };
      for (;;) {
        const answer = await send(`${url}/v1/events`, { token, body, agent }).catch(() => undefined);
        if (answer !== undefined && (answer.status === created || answer.status === ok)) {
          this.acknowledged.add(name);
          break;
        }
        if (this.#stopped) break;
        await sleep(retryMs);
      }
      await sleep(intervalMs);
    }
    agent.destroy();
  }
}

/** An event stream. It does not connect again. */
export class Reading {
  readonly received = new Numbers();
  readonly ended: Promise<void>;
  isOpen = true;
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => (rest = this.#take(rest + text)));
    response.on('error', () => undefined);
    this.ended = once(response, 'close').then(() => void (this.isOpen = false));
  }

  static async open({ url, token }: Credentials, channel: string): Promise<Reading> {
    const opening = request(`${url}/v1/events?channel=${channel}&after=now`, {
      agent: false,
      headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}` },
    }).end();
    const [response] = (await once(opening, 'response')) as [IncomingMessage];
    if (response.statusCode !== ok) throw new Error(`a stream was answered ${response.statusCode}`);
    return new Reading(response);
  }

  close(): void {
    this.#response.destroy();
  }

  /** @returns the text after the last whole mark, which may begin another one */
  #take(text: string): string {
    let end = 0;
    for (const { 1: name = '', index, 0: mark } of text.matchAll(markOfEvent)) {
      this.received.add(name);
      end = index + mark.length;
    }
    return text.slice(end);
  }
}

const markOfEvent = /~([\w-]+)~/g;

/** An endpoint that accepts every webhook. */
export async function openEndpoint(): Promise<{
  readonly url: string;
  readonly received: Numbers;
  close(): void;
}> {
  const received = new Numbers();
  const server = createServer((incoming, answer) => {
    let text = '';
    incoming.setEncoding('utf8').on('data', (part: string) => (text += part));
    incoming.on('end', () => {
      for (const { 1: name = '' } of text.matchAll(markOfEvent)) received.add(name);
      answer.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A worker that pulls and acknowledges. */
export class Working {
  readonly #received: Numbers;
  readonly #running: Promise<void>;
  #stopped = false;

  /** @param received of all workers */
  constructor(hub: Credentials, subscription: string, received: Numbers) {
    this.#received = received;
    this.#running = this.#run(hub, `/v1/subscriptions/${subscription}`);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run({ url, token }: Credentials, path: string): Promise<void> {
    while (!this.#stopped) {
      const body = { count: 20, leaseSeconds: 3, waitSeconds: 1 };
      const pulled = await send(`${url}${path}/pull`, { token, body }).catch(() => undefined);
      if (pulled?.status !== ok) {
        await sleep(retryMs);
        continue;
      }
      for (const { 1: name = '' } of pulled.text.matchAll(markOfEvent)) this.#received.add(name);
      const { events } = JSON.parse(pulled.text) as { events: readonly { lease: string }[] };
      const leases = events.map(({ lease }) => lease);
      if (leases.length > 0) await send(`${url}${path}/ack`, { token, body: { leases } }).catch(() => undefined);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Sent {
  readonly token: string;
  /** A request with a body is a POST. */
  readonly body?: object;
  readonly agent?: Agent;
}

/** Sends one request and reads the answer. */
export function send(url: string, { token, body, agent }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) };
    const options = { method: body === undefined ? 'GET' : 'POST', headers, agent: agent ?? false };
    const outgoing = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.setTimeout(requestTimeoutMs, () => outgoing.destroy(new Error(`no answer from ${url}`)));
    outgoing.on('error', reject);
    outgoing.end(body && JSON.stringify(body));
  });
}

/** As `send`. @throws Error unless the request succeeds */
export async function ask<Value>(url: string, sent: Sent): Promise<Value> {
  const { status, text } = await send(url, sent);
  if (status >= multipleChoices) throw new Error(`${url} was answered ${status}: ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as Value;
}
