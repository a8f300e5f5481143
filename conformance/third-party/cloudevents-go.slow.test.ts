import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { call } from '../kit/http.ts';
import { commandOf, packagesOf, type Program } from './packages.ts';

/**
 * Events of the CloudEvents SDK for Go, which sends attributes in headers unencoded: `%`, quotes
 * and UTF-8 bytes.
 */
let hub: HubProcess;
let program: Program;

beforeAll(async () => {
  program = await packagesOf('go');
  hub = await startHubProcess();
}, 600_000);

afterAll(() => hub.end('SIGKILL'));

const TIME = '2026-01-02T03:04:05.678Z';
const TEXTS: readonly string[] = [
  'plain',
  'ž x%',
  '100% sure',
  '%',
  '50 %zz %C5',
  'say "hi"',
  '"begun, not ended',
  'ended"',
  'back\\slash',
  'ž € 𝄞 日本語',
  'Å¾',
  'a,b; c=d',
];

describe.each(['binary', 'structured'] as const)('%s mode', (mode) => {
  test('attributes are received as they were sent, whatever they contain', async ({ skip }) => {
    skip(program.missing !== undefined, program.missing);
    const events = TEXTS.map((text, index) => ({
      mode,
      id: `${mode} ${index} ${text}`,
      source: `/go/${index}`,
      type: `made ${text}`,
      subject: text,
      time: TIME,
      extensions: { channel: `go.${mode}`, note: text, count: index, urgent: true },
      dataContentType: 'application/json',
      data: { text, index },
    }));
    expect(await send(events)).toEqual(events.map(() => '201'));
    expect(await read(`go.${mode}`)).toMatchObject(
      events.map(({ id, source, type, subject, data, extensions: { note } }) => ({
        type,
        data,
        cloudevent: { id, source, subject, note, time: TIME, specversion: '1.0' },
      })),
    );
  });

  test('text is received as text, and a repeated event is published once', async ({ skip }) => {
    skip(program.missing !== undefined, program.missing);
    const channel = `go.text-${mode}`;
    const event = {
      mode,
      id: `${mode} 1 %`,
      source: '/go',
      type: 'text',
      subject: channel,
      time: TIME,
      extensions: {},
      dataContentType: 'text/plain',
      data: 'é 100%',
    };
    expect(await send([event, event])).toEqual(['201', '201']);
    expect(await read(channel)).toMatchObject([{ type: 'text', data: 'é 100%', datacontenttype: 'text/plain' }]);
  });
});

/** The SDK's reading of each event. */
function send(events: readonly object[]): Promise<readonly string[]> {
  const [command = '', ...args] = commandOf('go', program, 'cloudevents', [`${hub.url}/v1/events`]);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.on('error', reject);
    child.on('close', () => resolve(out.trim().split('\n')));
    child.stdin.end(events.map((event) => JSON.stringify(event)).join('\n'));
  });
}

async function read(channel: string): Promise<readonly unknown[]> {
  return (await call(`${hub.url}/v1/channels/${channel}/history`)).json<{ events: unknown[] }>().events;
}
