import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { runCli, runInside, temporaryFolder } from '../testing.ts';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const BODY = '{"id":"a"}';

function head(time = new Date()): string[] {
  const signature = new Webhook(SECRET).sign('a', time, BODY);
  return [
    'Webhook-Id: a',
    `Webhook-Timestamp: ${Math.floor(time.getTime() / 1000)}`,
    `Webhook-Signature: ${signature}`,
  ];
}

function files(contents: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(folder, name), text);
  return folder;
}

test.each(['\r\n', '\n'])('a whole request is read from a file, lines ending with %j', async (end) => {
  const folder = files({ 'request.http': ['POST /hook HTTP/1.1', 'Host: a', ...head(), '', BODY].join(end) });
  const { code, out } = await runInside(['webhook', 'verify', join(folder, 'request.http'), '--secret', SECRET]);
  expect([code, out]).toEqual([0, expect.stringMatching(/^valid: signed [01] s ago\n$/)]);
});

test('body and headers are read from two files, as of the time when they came', async () => {
  const then = new Date('2026-11-20T12:00:00Z');
  const folder = files({
    'body.json': BODY,
    headers: head(then)
      .map((line) => `> ${line}`)
      .join('\n'),
  });
  const args = [
    'webhook',
    'verify',
    join(folder, 'body.json'),
    '--headers',
    join(folder, 'headers'),
    '--secret',
    SECRET,
  ];
  expect((await runInside([...args, '--at', '2026-11-20T12:00:05Z'])).out).toBe('valid: signed 5 s ago\n');
  const { code, out } = await runInside(args);
  expect(code).toBe(1);
  expect(out).toMatch(/^not valid: the signature is right, but its time is/);
  expect((await runInside([...args, '--at', '2026-11-20T12:00:05Z', '--id', 'b'])).out).toContain(
    'signed for a, which the body has',
  );
});

test('a body comes by standard input, and the secret by the environment', async () => {
  const [id, timestamp, signature] = head().map((line) => line.replace(/^.*?: /, '')) as [string, string, string];
  const { code, out } = await runCli(
    ['webhook', 'verify', '--id', id, '--timestamp', timestamp, '--signature', signature],
    {
      stdin: `${BODY}\n`,
      env: { POLYCAST_WEBHOOK_SECRET: SECRET },
    },
  );
  expect(code).toBe(1);
  expect(out).toBe('not valid: the body has a line break at its end that was not signed: an editor or echo adds one\n');
});

test.each([
  [['webhook', 'verify', 'none'], /name the secret/],
  [['webhook', 'verify', '/no/such/file', '--secret', SECRET], /cannot be read/],
  [['webhook', 'verify', 'none', '--secret', SECRET, '--at', 'noon'], /a time like/],
])('%j is told what is wrong', async (args, message) => {
  const { code, err } = await runInside(args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
