import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, startTestHub, temporaryFolder, type CliResult } from '../../testing.ts';

interface Event {
  readonly channel: string;
  readonly type?: string;
  readonly data?: unknown;
  readonly data_base64?: string;
  readonly datacontenttype?: string;
}

async function eventsOf(url: string, pattern = '>'): Promise<Event[]> {
  const response = await fetch(`${url}/v1/events?channel=${encodeURIComponent(pattern)}&after=earliest&limit=1000`);
  return ((await response.json()) as { events: Event[] }).events;
}

async function publishAll(url: string, ...lines: readonly (readonly string[])[]): Promise<CliResult[]> {
  const results: CliResult[] = [];
  for (const line of lines) results.push(await runCli(['publish', ...line], { env: { POLYCAST_URL: url } }));
  return results;
}

test('data is published as JSON if it is valid JSON, else as a string, and as bytes on request', async () => {
  const { url } = await startTestHub();
  const results = await publishAll(
    url,
    ['a', '{"state": 12345678901234567890}', '--type', 'x.y'],
    ['a', 'hello, world'],
    ['a', '{not json', '--text'],
    ['a', '[1]', '--text'],
    ['a', 'bytes', '--content-type', 'application/octet-stream'],
  );
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  expect(results[0]?.out).toMatch(/^published a [0-9a-z]{10}-[0-9a-z]{11}\n$/);
  const raw = await (await fetch(`${url}/v1/events?channel=a&after=earliest`)).text();
  expect(raw).toContain('12345678901234567890');
  expect(await eventsOf(url)).toMatchObject([
    { channel: 'a', type: 'x.y' },
    { data: 'hello, world' },
    { data: '{not json' },
    { data: '[1]' },
    { data_base64: Buffer.from('bytes').toString('base64'), datacontenttype: 'application/octet-stream' },
  ]);
});

test('without data it is read from standard input, without the last line break', async () => {
  const { url } = await startTestHub();
  await runCli(['publish', 'a', '--url', url], { stdin: '{"a":1}\n' });
  await runCli(['publish', 'a', '--url', url], { stdin: 'Grüße\n' });
  expect((await eventsOf(url)).map(({ data }) => data)).toEqual([{ a: 1 }, 'Grüße']);
});

test('with the same key an event is published once, and a different one is refused', async () => {
  const { url } = await startTestHub();
  const [first, again, other] = await publishAll(
    url,
    ['a', '1', '--idempotency-key', 'k'],
    ['a', '1', '--idempotency-key', 'k'],
    ['a', '2', '--idempotency-key', 'k'],
  );
  expect(again?.out).toBe(first?.out.replace('\n', ' (published before)\n'));
  expect(other).toMatchObject({ code: 1, out: '' });
  expect(other?.err).toMatch(/^polycast: refused: .*\(idempotency_key_reused\)/);
  expect(await eventsOf(url)).toHaveLength(1);
});

test('a precondition that fails prints the newest id', async () => {
  const { url } = await startTestHub();
  const [first, second] = await publishAll(url, ['a', '1', '--json'], ['a', '2', '--json']);
  const [older, newer] = [first, second].map((result) => (JSON.parse(result?.out ?? '') as { id: string }).id);
  const [refused, done] = await publishAll(
    url,
    ['a', '3', '--if-match', `${older}`],
    ['a', '3', '--if-match', `${newer}`],
  );
  expect(refused?.code).toBe(1);
  expect(refused?.err).toContain(`The newest is ${newer}.`);
  expect(done?.code).toBe(0);
});

test('a file of lines is published in order; refused lines are reported and counted', async () => {
  const { url } = await startTestHub();
  const lines = Array.from({ length: 500 }, (_, index) => `{"channel":"a.${index % 7}","data":${index}}`);
  lines[100] = '{"channel":"a..b","data":1}';
  lines[200] = '{"channel":"a"';
  const file = join(temporaryFolder(), 'events.ndjson');
  writeFileSync(file, lines.join('\n'));
  const { code, out, err } = await runCli(['publish', '--file', file, '--url', url]);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(
    /^event 101 refused: .*\(invalid_channel\)\nevent 201 refused: .*\(invalid_json\)\n498 published, 2 refused in /,
  );
  const data = (await eventsOf(url)).map((event) => event.data as number);
  expect(data).toEqual(data.toSorted((one, other) => one - other));
  expect(data).toHaveLength(498);
});

test('lines of standard input become events of one channel, however the input is split', async () => {
  const { url } = await startTestHub();
  const { code, out, err } = await runCli(
    ['publish', 'logs.app', '--type', 'line', '--file', '-', '--json', '--url', url],
    { stdin: '1\n\n{"a":"ü"}\r\n  \n"last"' },
  );
  expect(code).toBe(0);
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as Event).channel),
  ).toEqual(['logs.app', 'logs.app', 'logs.app']);
  expect(err).toMatch(/^3 published, 0 refused/);
  expect(await eventsOf(url)).toMatchObject([{ type: 'line', data: 1 }, { data: { a: 'ü' } }, { data: 'last' }]);
});

test('with a key a file can be published again without duplicates', async () => {
  const { url } = await startTestHub();
  const stdin = '{"channel":"a","data":1}\n{"channel":"a","data":2}\n';
  for (let round = 0; round < 2; round++) {
    expect(
      (await runCli(['publish', '--file', '-', '--idempotency-key', 'import-1', '--quiet', '--url', url], { stdin }))
        .code,
    ).toBe(0);
  }
  expect(await eventsOf(url)).toHaveLength(2);
});

test('an empty file publishes nothing and is not an error', async () => {
  const { url } = await startTestHub();
  const { code, err } = await runCli(['publish', '--file', '-', '--url', url]);
  expect(code).toBe(0);
  expect(err).toMatch(/^0 published, 0 refused/);
});

test.each(['', '\n'])('standard input of %j is refused as an event without --allow-empty', async (stdin) => {
  const { url } = await startTestHub();
  const { code, err } = await runCli(['publish', 'a', '--url', url], { stdin });
  expect(code).toBe(2);
  expect(err).toContain('there is no data: standard input is empty\nPass it as an argument, or pipe it');
  expect(await eventsOf(url)).toEqual([]);
  expect((await runCli(['publish', 'a', '--text', '--url', url], { stdin })).code).toBe(0);
  expect(await eventsOf(url)).toMatchObject([{ data: '' }]);
});
