import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { parseConfig } from '../config/parse.ts';
import { openHub, type Hub } from '../hub.ts';
import { fastWorld, systemWorld } from '../operate/world.ts';

/** An answer of the hub, with its body parsed as JSON. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A hub whose subscriptions are created over HTTP. */
export interface SubscriptionHub extends Hub {
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /**
   * Returns the members of the created subscription.
   * @throws Error if it is refused
   */
  create(definition: object, headers?: Readonly<Record<string, string>>): Promise<Readonly<Record<string, unknown>>>;
  /** Publishes an event, and returns its id. */
  publish(channel: string, data: unknown, type?: string): Promise<string>;
  /** Creates a key, and returns its text. */
  key(scopes: object): Promise<string>;
}

/** @param settings with `access: rules`, requests without a key are sent as the administrator */
export async function openSubscriptionHub(settings: object = {}, speed = 1): Promise<SubscriptionHub> {
  const base = { listen: '127.0.0.1:0', data: ':memory:', access: 'loopback', logging: { level: 'silent' } };
  const config = parseConfig({
    ...base,
    drain: { timeMs: 0 },
    ...settings,
    // With a fast clock the hub would close idle connections within a second, and a request could
    // take one of them in that moment.
    limits: { keepAliveTimeoutMs: 3_600_000, ...(settings as { limits?: object }).limits },
  });
  const hub = await openHub(config, { world: speed === 1 ? systemWorld : fastWorld(speed) });
  onTestFinished(() => hub.close());
  const ask: SubscriptionHub['ask'] = async (method, path, body, headers = {}) => {
    const answer = await fetch(hub.url + path, {
      method,
      headers: {
        ...(hub.firstKey !== undefined && { authorization: `Bearer ${hub.firstKey}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === '' ? {} : (JSON.parse(text) as Reply['body']),
    };
  };
  const requireCreated = async (method: string, path: string, body: unknown, headers = {}): Promise<Reply['body']> => {
    const reply = await ask(method, path, body, headers);
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body));
    return reply.body;
  };
  return Object.assign(hub, {
    ask,
    create: (definition: object, headers?: Readonly<Record<string, string>>) =>
      requireCreated('POST', '/v1/subscriptions', definition, headers),
    async publish(channel: string, data: unknown, type?: string) {
      const { id } = await requireCreated('POST', '/v1/events', { channel, data, ...(type !== undefined && { type }) });
      return id as string;
    },
    async key(scopes: object) {
      const { key } = await requireCreated('POST', '/v1/keys', { name: 'made', scopes });
      return key as string;
    },
  });
}

/** Resolves when the expectations are met. */
export function waitUntil(expectations: () => unknown): Promise<unknown> {
  return vi.waitFor(expectations, { interval: 10 });
}

/** A request that an endpoint received. */
export interface Received {
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** An endpoint on this machine that records its requests. */
export interface Endpoint {
  readonly url: string;
  readonly received: readonly Received[];
}

export async function openEndpoint(
  answer: (received: Received, response: ServerResponse) => void = (_received, response) => response.end(),
): Promise<Endpoint> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const receivedRequest = {
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      received.push(receivedRequest);
      answer(receivedRequest, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}
