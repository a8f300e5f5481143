import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { receiveHooks, type ReceivedHook } from '../kit/clients/hook-receiver.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call, publish } from '../kit/http.ts';
import { until } from '../kit/wait.ts';
import { commandOf, installAll, type Language, type Program } from './packages.ts';

/**
 * WebSocket clients and webhook receivers of other languages; those of npm are in `clients` and
 * `webhooks`.
 */
const programs = new Map<Language, Program>();
let hub: HubProcess;
beforeAll(async () => {
  hub = await startHubProcess();
  await installAll(programs, ['python', 'go', 'java']);
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
  test('opens, publishes 100 kB, receives it, and closes with 1000', async ({ skip }) => {
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
  test('accepts requests of the hub: JSON, text, 200 kB; and refuses changed ones', async ({ skip }) => {
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

interface Delivery extends ReceivedHook {
  readonly secret: string;
}

function lineOf(secret: string, headers: IncomingHttpHeaders, body: Buffer): string {
  const signed = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => String(headers[name]));
  return [secret, ...signed, body.toString('base64')].join('\t');
}

async function deliveriesTo(channel: string): Promise<readonly Delivery[]> {
  const { url, received } = await receiveHooks();
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

/** The output of a program, which must end successfully. */
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
