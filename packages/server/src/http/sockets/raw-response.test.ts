import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openTestHub } from '../../testing/open-hub.ts';

test('several 304 answers arrive on one connection in the order of the requests', async () => {
  const { url, port } = await openTestHub();
  const answer = await fetch(`${url}/v1/channels/a/events`, { method: 'POST', body: '1', headers: JSON_BODY });
  const { id } = (await answer.json()) as { id: string };
  const poll = (tag: string) =>
    `GET /v1/events?channel=a&after=${id} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: ${tag}\r\n\r\n`;
  const unchanged = poll(`W/"${id}"`);
  const text = await exchange(port, [
    unchanged,
    unchanged,
    poll('W/"other"'),
    unchanged + 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' + unchanged,
    unchanged.replace('Host: localhost', 'Host: localhost\r\nConnection: close'),
  ]);
  const heads = text.split(/(?=HTTP\/1\.1 )/);
  expect(heads.map((head) => head.slice(9, 12))).toEqual(['304', '304', '200', '304', '200', '304', '304']);
  for (const head of heads.filter((head) => head.startsWith('HTTP/1.1 304'))) {
    expect(head).toContain(`ETag: W/"${id}"\r\nCache-Control: no-cache\r\n`);
    expect(head).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/);
    expect(head.endsWith('\r\n\r\n')).toBe(true);
  }
  expect(heads.at(-1)).toContain('Connection: close');
});

test('publishes on one connection are answered in order, with other requests between them', async () => {
  const { port } = await openTestHub();
  const publish = (channel: string, line = '') =>
    `POST /v1/channels/${channel}/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${line}Content-Length: 1\r\n\r\n1`;
  const text = await exchange(port, [
    publish('a'),
    publish('a.longer'),
    publish('a') + publish('a.b') + 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' + publish('a.b.c'),
    publish('a', 'Connection: close\r\n'),
  ]);
  const answers = text.split(/(?=HTTP\/1\.1 )/);
  expect(answers.map((answer) => answer.slice(9, 12))).toEqual(['201', '201', '201', '201', '200', '201', '201']);
  const channels = answers.map((answer) => /"channel":"([^"]*)"/.exec(answer)?.[1]);
  expect(channels).toEqual(['a', 'a.longer', 'a', 'a.b', undefined, 'a.b.c', 'a']);
  for (const answer of answers.filter((one) => one.startsWith('HTTP/1.1 201'))) {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toContain(
      `\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nX-Content-Type-Options: nosniff\r\n`,
    );
    expect(head).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\nConnection: (?:keep-alive|close)$/);
    expect(Number(/"id":"\w+-(\d+)"/.exec(body)?.[1])).toBeGreaterThan(0);
  }
  expect(answers.at(-1)).toContain('Connection: close');
});

const JSON_BODY = { 'content-type': 'application/json' };

/**
 * Sends each piece after the responses to the one before. Returns all received bytes when the hub
 * closes.
 */
async function exchange(port: number, pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  const left = [...pieces];
  socket.write(left.shift() ?? '');
  for await (const bytes of socket) {
    text += String(bytes);
    const next = left.shift();
    if (next !== undefined) socket.write(next);
  }
  return text;
}
