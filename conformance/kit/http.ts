import * as http from 'node:http';
import * as https from 'node:https';
import { until } from './wait.ts';

/** One request, in its exact form. */
export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
  readonly agent?: http.Agent;
  /** The timeout in milliseconds. */
  readonly timeoutMs?: number;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** @throws SyntaxError if the body is not JSON */
  json<Value>(): Value;
}

/**
 * Sends a request and reads the whole answer. Every call has a new connection unless it has an
 * agent.
 */
export function call(
  url: string,
  { method = 'GET', headers = {}, body, agent, timeoutMs = 70_000 }: Call = {},
): Promise<Reply> {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: agent ?? false, rejectUnauthorized: false };
    const outgoing = request(url, options as http.RequestOptions, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => resolve(replyOf(answer, Buffer.concat(chunks))));
    });
    outgoing.setTimeout(timeoutMs, () =>
      outgoing.destroy(new Error(`No answer within ${timeoutMs} ms: ${method} ${url}`)),
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/**
 * The first answer that is no 503. A hub that cannot reach the newest events refuses after some
 * seconds, and so does one that cannot reach the hub that works on subscriptions. On a busy machine
 * that happens, so the request must be one that may be repeated.
 */
export async function answered(request: () => Promise<Reply>): Promise<Reply> {
  let reply: Reply | undefined;
  await until('the hub answers', async () => {
    reply = await request();
    return reply.status !== 503;
  });
  return reply as Reply;
}

/** The answer to a publish. */
export interface Published {
  readonly id: string;
  readonly channel: string;
  readonly time: string;
}

/** Publishes one event and expects success. */
export async function publish(hub: string, event: object | string, agent?: http.Agent): Promise<Published> {
  const body = typeof event === 'string' ? event : JSON.stringify(event);
  const headers = { 'Content-Type': 'application/json' };
  const reply = await call(`${hub}/v1/events`, {
    method: 'POST',
    headers,
    body,
    ...(agent === undefined ? {} : { agent }),
  });
  if (reply.status !== 201) throw new Error(`Not published: ${reply.status} ${reply.text}`);
  return reply.json<Published>();
}

/** Publishes many events and expects success. */
export async function publishAll(hub: string, events: readonly object[]): Promise<readonly Published[]> {
  const headers = { 'Content-Type': 'application/json' };
  const reply = await call(`${hub}/v1/events`, { method: 'POST', headers, body: JSON.stringify(events) });
  const results = reply.json<readonly (Published & { error?: unknown })[]>();
  const refused = results.find(({ error }) => error !== undefined);
  if (reply.status !== 200 || refused !== undefined)
    throw new Error(`Not published: ${reply.status} ${JSON.stringify(refused)}`);
  return results;
}

/** A query string. Arrays become repeated parameters; undefined values are left out. */
export function query(parameters: Readonly<Record<string, string | number | readonly string[] | undefined>>): string {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => {
    const values = Array.isArray(value) ? (value as readonly string[]) : value === undefined ? [] : [String(value)];
    return values.map((each) => `${name}=${encodeURIComponent(each)}`);
  });
  return pairs.join('&');
}

function replyOf(answer: http.IncomingMessage, bytes: Buffer): Reply {
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    bytes,
    text: bytes.toString('utf8'),
    json<Value>() {
      return JSON.parse(bytes.toString('utf8')) as Value;
    },
  };
}
