import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { runCli, runInside, temporaryFolder } from '../../testing.ts';

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
  expect([code, out]).toEqual([0, expect.stringMatching(/^valid: signed \d+ s ago\n$/)]);
});

test('content-length ends the body before a trailing line break, and cuts nothing else', async () => {
  const file = join(files({}), 'request.http');
  const verified = async (rest: string): Promise<string> => {
    const request = ['POST /hook HTTP/1.1', ...head(), `Content-Length: ${BODY.length}`, '', BODY].join('\n');
    writeFileSync(file, request + rest);
    return (await runInside(['webhook', 'verify', file, '--secret', SECRET])).out;
  };
  for (const rest of ['', '\n', '\r\n', '\nPOST / HTTP/1.1\n\n']) expect(await verified(rest)).toMatch(/^valid: /);
  expect(await verified('\n\n')).toMatch(/^not valid: the body has spaces around it/);
  expect(await verified(' ')).toMatch(/^not valid: the body has spaces around it/);
});

test('body and headers are read from two files, as of the time of the request', async () => {
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
  expect(out).toMatch(/^not valid: the signature is correct, but its time is/);
  expect((await runInside([...args, '--at', '2026-11-20T12:00:05Z', '--id', 'b'])).out).toContain(
    'signed for a, which the body has',
  );
});

test('a body is read from standard input, and the secret from an environment variable', async () => {
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
  [['webhook', 'verify', import.meta.filename], /give the secret/],
  [['webhook', 'verify', 'none'], /none cannot be read/],
  [['webhook', 'verify', import.meta.filename, '--secret', 'whsec_AAAA'], /a secret must be whsec_ and 24 to 64 bytes/],
  [
    ['webhook', 'verify', import.meta.filename, '-s', SECRET, '-s', 'whpk_AAAA'],
    /a public key must be whpk_ and 32 bytes/,
  ],
  [['webhook', 'verify', '/no/such/file', '--secret', SECRET], /cannot be read/],
  [['webhook', 'verify', 'none', '--secret', SECRET, '--at', 'noon'], /must be a time such as/],
])('%j prints an error that names the mistake', async (args, message) => {
  const { code, err } = await runInside(args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
