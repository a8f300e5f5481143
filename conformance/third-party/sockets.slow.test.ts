import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { commandOf, packagesOf, type Language, type Program } from './packages.ts';

/** WebSocket clients and webhook receivers of other languages; those of npm are in `clients` and `webhooks`. */
const programs = new Map<Language, Program>();
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
  for (const language of ['python', 'go', 'java'] as const) programs.set(language, await packagesOf(language));
}, 600_000);
afterAll(() => hub.end('SIGKILL'));

const SOCKETS: readonly (readonly [Language, string])[] = [
  ['python', 'websockets'],
  ['python', 'websocket-client'],
  ['go', 'coder/websocket'],
  ['go', 'gorilla/websocket'],
  ['java', 'Java-WebSocket'],
  ['java', 'JDK HttpClient'],
];

describe.each(SOCKETS)('WebSocket, %s: %s', (language, client) => {
  test('is ready, publishes 100 kB, gets it, and closes with 1000', async ({ skip }) => {
    const program = programs.get(language) as Program;
    skip(program.missing !== undefined, program.missing);
    const url = `${hub.url.replace('http', 'ws')}/v1/events?channel=sockets`;
    const lines = (await output(commandOf(language, program, 'sockets', [client, url]))).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^polycast\.v1 \{"op":"ready"/);
    const messages = lines.slice(1, 3).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(messages.find(({ op }) => op === 'publish')).toMatchObject({ ref: 1, ok: true });
    expect(messages.find(({ op }) => op === undefined)).toMatchObject({ channel: 'sockets', data: 'é'.repeat(50_000) });
    expect(lines[3]).toBe('closed 1000');
  });
});

describe.each(['python', 'go', 'java'] as const)('the library standardwebhooks, %s', (language) => {
  test('verifies what is sent: JSON, text, 200 kB; and not what was changed', async ({ skip }) => {
    const program = programs.get(language) as Program;
    skip(program.missing !== undefined, program.missing);
    const deliveries = await deliveriesTo(`hooks.${language}`);
    const lines = deliveries.map(({ secret, headers, body }) => lineOf(secret, headers, body));
    const [{ secret, headers, body }] = deliveries as [Delivery];
    lines.push(lineOf(secret, headers, Buffer.concat([body, Buffer.from(' ')])));
    const results = (await output(commandOf(language, program, 'verify', []), lines.join('\n') + '\n'))
      .trimEnd()
      .split('\n');
    expect(results.slice(0, -1)).toEqual(deliveries.map(() => 'verified'));
    expect(results.at(-1)).not.toBe('verified');
    expect(results).toHaveLength(lines.length);
  });
});

interface Delivery {
  readonly secret: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function lineOf(secret: string, headers: IncomingHttpHeaders, body: Buffer): string {
  const signed = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => String(headers[name]));
  return [secret, ...signed, body.toString('base64')].join('\t');
}

async function deliveriesTo(channel: string): Promise<readonly Delivery[]> {
  const received: Omit<Delivery, 'secret'>[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((pieces: Buffer[]) => {
      received.push({ headers: request.headers, body: Buffer.concat(pieces) });
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const body = JSON.stringify({ channels: [channel], delivery: { kind: 'webhook', url } });
  const reply = await call(`${hub.url}/v1/subscriptions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  const { secret } = reply.json<{ delivery: { secret: string } }>().delivery;
  for (const data of [{ 'ž €': [1.1, null] }, 'text\r\n𝄞', 'x'.repeat(200_000)])
    await publish(hub.url, { channel, data });
  await until('all have come', () => received.length === 3);
  return received.map((each) => ({ secret, ...each }));
}

/** What a program prints; it has to end well. */
async function output([program, ...args]: readonly string[], input = ''): Promise<string> {
  const child = spawn(program as string, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (errors += piece));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code, errors).toBe(0);
  return text;
}
