import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../../scripts/unused-port.ts';
import { until } from '../../conformance/kit/wait.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser, type PageOptions } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';
import { createAnswers } from './services/answers.ts';
import { Chats } from './services/chats.ts';
import { localModel } from './services/local-model.ts';
import type { Model, Piece, Turn } from './services/model.ts';
import { openAiModel } from './services/openai-model.ts';

/** Answers that stream while pages reload, networks fail, and processes are killed. */
let chat: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [chat, browser] = await Promise.all([startExample('llm-stream'), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await chat?.stop();
});

test('an answer goes on after a reload, on a second device, and after the network and the hub were gone', async () => {
  const question = 'What happens on a reload?';
  const phone = await openChat('reload', { width: 390, colorScheme: 'dark' });
  await ask(phone.page, question);
  await until('the answer has begun', async () => (await answerOf(phone.page)).length > 150);

  const laptop = await openChat('reload');
  const firstSeen = await laptop.page.waitForFunction(() =>
    document.querySelector('li.assistant p')?.textContent?.slice(0, 2000),
  );
  expect(((await firstSeen.jsonValue()) as string).length).toBeGreaterThan(100);
  await phone.page.reload();
  await until('the reloaded page goes on', async () => (await answerOf(phone.page)).length > 250);
  chat.front.cut();
  await chat.part('hub').kill('SIGKILL');
  await chat.part('hub').start();
  await chat.front.mend();

  const whole = await textOf(localModel({ tokensPerSecond: 100_000 }), [{ role: 'user', content: question }]);
  for (const { page, errors } of [phone, laptop]) {
    await until('the whole answer is there', async () => (await answerOf(page)) === whole);
    await until('with its cost', async () => /tokens, \$0\.000\d/.test((await page.textContent('li.assistant')) ?? ''));
    expect(await overflow(page)).toBe(0);
    expect(errors).toEqual([]);
  }
  await laptop.page.reload();
  await until('it is stored', async () => (await answerOf(laptop.page)) === whole);
});

test('a question that the hub could not be told of can be asked again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llm-stream-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const nobody = createPublisher(`http://127.0.0.1:${await unusedPort()}`, { timeoutMs: 1 });
  const answers = createAnswers(localModel(), new Chats(folder), nobody);
  await expect(answers.start('away')).rejects.toThrow('No hub answered');
  expect(answers.isRunning('away')).toBe(false);
});

test('a question from one device is answered on both, and a stop on the other stops the generator', async () => {
  const one = await openChat('stop');
  const other = await openChat('stop');
  await until('both are counted', async () => (await one.page.textContent('.badge')) === '2 viewers');
  await ask(one.page, 'Write 500 sentences.');
  await until('the other page follows', async () => (await answerOf(other.page)).length > 100);
  await other.page.click('button:has-text("Stop")');
  for (const { page } of [one, other])
    await until('it has stopped', async () => (await page.textContent('li.assistant .badge')) === 'stopped');
  expect(await answerOf(one.page)).toBe(await answerOf(other.page));

  const stopped = await piecesOf('stop');
  await ask(other.page, 'And again?');
  await until('the first page follows', async () => (await one.page.locator('li.assistant').count()) === 2);
  // A generator that went on would publish pieces of the first answer between those of the second.
  const isFirst = ({ data }: TextPiece): boolean => data.messageId === stopped[0]?.data.messageId;
  const secondOnes = async (): Promise<number> => (await piecesOf('stop')).filter((piece) => !isFirst(piece)).length;
  await until('the second answer has twelve pieces', async () => (await secondOnes()) >= 12);
  expect((await piecesOf('stop')).filter(isFirst)).toEqual(stopped);
});

test('a killed service ends its answer when it comes back, and the text so far is kept', async () => {
  const { page } = await openChat('killed');
  await ask(page, 'Will 500 sentences survive?');
  await until('some of it is stored', async () => (await answerOf(page)).length > 250);
  await chat.part('assistant').kill('SIGKILL');
  await chat.part('assistant').start();
  await until(
    'the page says so',
    async () => (await page.textContent('li.assistant .badge').catch(() => '')) === 'failed',
  );
  await page.reload();
  await until('the text is kept', async () =>
    (await answerOf(page)).startsWith('You asked: “Will 500 sentences survive?”'),
  );
});

test('the adapter for OpenAI reads a stream of that API, and a stop ends its request', async () => {
  const turns: Turn[] = [{ role: 'user', content: 'The same?' }];
  const local = localModel({ tokensPerSecond: 500, sentences: 3 });
  let hasEnded = false;
  const server = createServer(async (request, response) => {
    const { messages, stream } = JSON.parse((await request.toArray()).join('')) as {
      messages: Turn[];
      stream: boolean;
    };
    expect([request.url, request.headers.authorization, stream]).toEqual([
      '/v1/chat/completions',
      'Bearer sk-test',
      true,
    ]);
    const closing = new AbortController();
    response.on('close', () => closing.abort());
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(
      `data: ${JSON.stringify({ choices: [{ delta: { role: 'assistant', content: '' } }], usage: null })}\n\n`,
    );
    try {
      for await (const piece of local(messages, closing.signal))
        response.write(`data: ${JSON.stringify(chunkOf(piece))}\n\n`);
      response.end('data: [DONE]\n\n');
    } catch {
      hasEnded = true;
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const model = openAiModel({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    key: 'sk-test',
    model: 'any',
  });
  const never = new AbortController().signal;
  expect(await piecesFrom(model(turns, never))).toEqual(await piecesFrom(local(turns, never)));

  const stopping = new AbortController();
  await expect(async () => {
    for await (const _piece of model(turns, stopping.signal)) stopping.abort();
  }).rejects.toThrow('abort');
  await until('the API has seen the end of the request', () => hasEnded);
});

test('delay, requests and bytes', async () => {
  const id = 'measured';
  const readers = await Promise.all([readerOf(id, 'websocket'), readerOf(id, 'sse')]);
  await fetch(`${chat.url}/api/chats/${id}/messages`, {
    method: 'POST',
    body: JSON.stringify({ id: 'q-measured', text: 'Go.' }),
  });
  await until('the answer is complete', () => readers.every(({ hasEnded }) => hasEnded));
  recordMeasurements(
    import.meta.dirname,
    readers.map(({ name, delays, traffic }) => ({
      'read by': name,
      pieces: count(delays.length),
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      requests: count(traffic().requests),
      'bytes of a piece': count(traffic().bytes / delays.length),
    })),
  );
});

interface Reader {
  readonly name: string;
  readonly delays: number[];
  hasEnded: boolean;
  traffic(): { readonly requests: number; readonly bytes: number };
}

async function readerOf(id: string, transport: 'websocket' | 'sse'): Promise<Reader> {
  const connection = connect(chat.url, { transports: [transport] });
  onTestFinished(() => connection.close());
  const isOwn = ({ url = '', headers }: IncomingMessage): boolean =>
    url.includes(id) && url.startsWith('/v1/events') && (headers.upgrade === undefined) === (transport === 'sse');
  const reader: Reader = {
    name: transport === 'sse' ? 'SSE' : 'WebSocket',
    delays: [],
    hasEnded: false,
    traffic: () => chat.front.traffic(isOwn),
  };
  const subscription = connection.subscribe(`tokens.${id}`, ({ type, time }) => {
    if (type === 'text') reader.delays.push(Math.max(0, Date.now() - Date.parse(time)));
    reader.hasEnded = type === 'end';
  });
  await subscription.joined;
  return reader;
}

async function openChat(
  id: string,
  options?: PageOptions,
): Promise<{ readonly page: Page; readonly errors: string[] }> {
  const opened = await openPage(browser, `${chat.url}/#${id}`, options);
  onTestFinished(() => opened.page.context().close());
  await opened.page.waitForSelector('input');
  return opened;
}

async function ask(page: Page, question: string): Promise<void> {
  await page.fill('input', question);
  await page.click('button:has-text("Ask")');
}

/** The text of the newest answer in a page. */
async function answerOf(page: Page): Promise<string> {
  return (await page.$$eval('li.assistant p', (texts) => texts.at(-1)?.textContent)) ?? '';
}

interface TextPiece {
  readonly data: { readonly messageId: string };
}

/** The pieces of all answers of a chat, as the hub stores them. */
async function piecesOf(id: string): Promise<TextPiece[]> {
  const response = await fetch(`${chat.hub.url}/v1/events?channel=tokens.${id}&type=text&after=earliest&limit=1000`);
  return ((await response.json()) as { events: TextPiece[] }).events;
}

async function textOf(model: Model, turns: readonly Turn[]): Promise<string> {
  const pieces = await piecesFrom(model(turns, new AbortController().signal));
  return pieces.map((piece) => ('text' in piece ? piece.text : '')).join('');
}

async function piecesFrom(answer: AsyncIterable<Piece>): Promise<Piece[]> {
  const pieces = [];
  for await (const piece of answer) pieces.push(piece);
  return pieces;
}

function chunkOf(piece: Piece): object {
  if ('text' in piece) return { choices: [{ delta: { content: piece.text } }], usage: null };
  return {
    choices: [],
    usage: { prompt_tokens: piece.usage.inputTokens, completion_tokens: piece.usage.outputTokens },
  };
}
