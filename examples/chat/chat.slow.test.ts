import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { connect } from '@polycast/client';
import { signToken } from '@polycast/client/server';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../../conformance/kit/wait.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { startProxy } from '../../packages/client/src/testing/proxy.ts';
import { Part } from '../kit/part.ts';
import { startExample, type RunningExample } from '../kit/start-example.ts';
import { openPage, overflow, startBrowser } from '../kit/testing/browser.ts';
import { count, milliseconds, percentile, recordMeasurements } from '../kit/testing/measurements.ts';
import { joinRoom as joinWithSocketIo } from './comparison/room.ts';
import { joinRoom } from './page/room.ts';
import { EMPTY, type Room, type RoomOptions, type RoomState } from './page/state.ts';

/** The chat as its users have it: in Chromium, with a hub and a network that fail. */
const FLOOD = 200;
/**
 * How long the token of a guest is valid: on a busy machine, too, the others see the guest before.
 * The clocks of hub and site may differ by another second.
 */
const GUEST_SECONDS = 15;
const LEEWAY_MS = 1000;
/** Of polycast.yaml: who is away for longer has left. */
const GRACE_MS = 2000;
let chat: RunningExample;
let browser: Browser;

beforeAll(async () => {
  [chat, browser] = await Promise.all([startExample('chat'), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await chat?.stop();
});

test('two users talk: typing, read marks, members, private messages, and older messages on scrolling back', async () => {
  for (let number = 1; number <= 70; number++) await publish('room.lobby', { text: `old ${number}` });
  const ada = await openChat('ada', { width: 1280, colorScheme: 'light' });
  const ben = await openChat('ben', { width: 390, colorScheme: 'dark' });
  await shows(ada.page, '#members', 'ben');
  // The page says so for three seconds after a key.
  await until('Ada sees that Ben types', async () => {
    await ben.page.type('#text', 'h');
    return (await ada.page.textContent('#typing'))?.includes('ben is typing') === true;
  });
  await ben.page.fill('#text', 'hello');
  await ben.page.keyboard.press('Enter');
  await shows(ada.page, '#messages', 'hello');
  await shows(ben.page, '#messages', 'read by 1');
  await ada.page.fill('#to', 'ben');
  await ada.page.fill('#secret', 'only for you');
  await ada.page.keyboard.press('Enter');
  await shows(ben.page, '#private', 'only for you');
  await shows(ada.page, '#private', 'to ben');

  expect(await textsOf(ada.page)).not.toContain('old 10');
  await until('scrolling back reaches the first message', async () => {
    await ada.page.evaluate(() => document.querySelector('#messages')?.scrollTo(0, 0));
    return (await textsOf(ada.page)).includes('old 1');
  });
  const old = (await textsOf(ada.page)).filter((text) => text.startsWith('old'));
  expect(old).toEqual(Array.from({ length: 70 }, (_, index) => `old ${index + 1}`));
  for (const { page, errors } of [ada, ben]) {
    expect(await overflow(page)).toBe(0);
    expect(errors).toEqual([]);
  }
});

test('what is written offline is sent later, once, although the page was closed and the hub was killed meanwhile', async () => {
  const reader = await join('reader', 'tunnel');
  const storage = storageOf();
  const before = await join('writer', 'tunnel', { storage });
  await until('both are connected', () => [before, reader].every(({ state }) => state.connection === 'websocket'));
  chat.front.cut();
  for (const text of ['one', 'two', 'three']) before.room.send(text);
  before.room.send('for you', 'reader');
  expect(before.state.unsent.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'for you']);
  before.room.close();
  await chat.part('hub').kill('SIGKILL');
  await chat.part('hub').start();
  chat.front.mend();
  const after = await join('writer', 'tunnel', { storage });
  await until('all is sent', () => after.state.unsent.length === 0);
  for (const { name, member } of [
    { name: 'the reader', member: reader },
    { name: 'the writer', member: after },
  ])
    await until(`${name} has the private message`, () => member.state.privateMessages.length > 0);
  await until('all has arrived', () => reader.state.messages.length >= 3);
  expect(reader.state.messages.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  expect(reader.state.privateMessages.map(({ text }) => text)).toEqual(['for you']);
  expect(after.state.privateMessages.map(({ text, to }) => [text, to])).toEqual([['for you', 'reader']]);
});

test('a moderator erases a message everywhere, and a banned user is out soon, and cannot return', async () => {
  const troll = await join('troll', 'kitchen');
  const moderator = await openChat('mod', { room: 'kitchen' });
  troll.room.send('something nasty');
  await shows(moderator.page, '#messages', 'something nasty');
  await until('the troll sees it', () => troll.state.messages.length === 1);
  // Users may publish any type, and erase nothing by it.
  await publishAs('troll', 'room.kitchen', { text: troll.state.messages[0]?.id }, 'erased');
  await until('it is a message like others', () => troll.state.messages.length === 2);
  await moderator.page.click('#messages button:has-text("Erase") >> nth=0');
  await until('it is gone from the other page', () => troll.state.messages.length === 1);
  await until('it is gone from the history', async () => {
    const history = await (await fetchFromHub('channels/room.kitchen/history')).text();
    return !history.includes('something nasty');
  });
  const later = await join('later', 'kitchen');
  await until('a new page is connected', () => later.state.connection === 'websocket');
  await until('it has the history', () => later.state.messages.length === 1);
  expect(later.state.messages[0]?.text).not.toContain('nasty');

  await moderator.page.click('#members li:has-text("troll") button:has-text("Ban")');
  // Long before the end of the troll's token, which is valid for minutes.
  const startMs = performance.now();
  await until('the troll is out', () => troll.state.connection !== 'websocket');
  console.log(`The session ended ${milliseconds(performance.now() - startMs)} after the click.`);
  await until('and may not come back', () => troll.state.hasEnded);
  expect(troll.state.connection).toBe('unauthorized');
  expect(moderator.errors).toEqual([]);
});

test('a click counts although messages arrive between its begin and its end', async () => {
  const guest = await join('guest', 'clicks');
  const { page } = await openChat('mod', { room: 'clicks' });
  guest.room.send('wrong room');
  await page.hover('#messages button');
  await page.mouse.down();
  guest.room.send('sorry');
  await shows(page, '#messages', 'sorry');
  await shows(page, '#messages', 'read by');
  await page.mouse.up();
  await until('the message is erased', () => guest.state.messages.map(({ text }) => text).join() === 'sorry');
});

test('where a proxy blocks WebSockets, the same page uses long polls', async () => {
  const proxy = await startProxy(chat.url);
  proxy.blocksWebSockets = true;
  const office = await join('office', 'lobby', { url: proxy.url });
  const home = await join('home', 'lobby');
  await until(
    'it is connected',
    () => office.state.connection === 'long-poll' && home.state.connection === 'websocket',
  );
  office.room.send('from the office');
  home.room.send('from home');
  for (const member of [office, home])
    await until('both see both', () =>
      ['from the office', 'from home'].every((text) => member.state.messages.some((each) => each.text === text)),
    );
});

test('delay, requests and bytes', async () => {
  const rows = [];
  for (const [connection, transport] of [
    ['WebSocket', 'websocket'],
    ['long poll', 'long-poll'],
  ] as const) {
    const proxy = await startProxy(chat.url);
    proxy.blocksWebSockets = transport === 'long-poll';
    const room = `measured-${transport}`;
    const arrivedMs = new Map<string, number>();
    const reader = await join('mreader', room, {
      url: proxy.url,
      onState: (state) => {
        for (const { text } of state.messages) if (!arrivedMs.has(text)) arrivedMs.set(text, performance.now());
      },
    });
    await until(
      'the reader is connected',
      () => reader.state.connection === transport && reader.state.members.length > 0,
    );
    const before = chat.front.traffic(ofReader);
    const delays: number[] = [];
    for (let number = 0; number < 40; number++) {
      const startMs = performance.now();
      await publish(`room.${room}`, { text: `${number}` });
      await until('it has arrived', () => arrivedMs.has(`${number}`));
      delays.push((arrivedMs.get(`${number}`) as number) - startMs);
    }
    const after = chat.front.traffic(ofReader);
    reader.room.close();
    rows.push({
      'read by': connection,
      'delay p50': milliseconds(percentile(delays, 0.5)),
      'delay p99': milliseconds(percentile(delays, 0.99)),
      'requests for 40 messages': count(after.requests - before.requests),
      'bytes of a message': count((after.bytes - before.bytes) / 40),
    });
  }
  recordMeasurements(import.meta.dirname, rows);

  function ofReader({
    method = '',
    url = '',
  }: {
    readonly method?: string | undefined;
    readonly url?: string | undefined;
  }): boolean {
    return method === 'GET' && url.startsWith('/v1/events');
  }
});

describe('beside the same chat with Socket.IO', () => {
  test('it has fewer lines', () => {
    const own = linesOf('page/room.ts', 'services/chat.ts', 'polycast.yaml');
    const other = linesOf('comparison/room.ts', 'comparison/server.ts');
    console.log(`lines: ${own} with Polycast, including the login; ${other} with Socket.IO, without one`);
    expect(own).toBeLessThan(other);
  });

  test('three faults: an expired login, a page that reloads, a user who floods the room', async () => {
    const other = await startComparison();
    const faults = await Promise.all([
      faultsOf('Polycast', joinRoom, chat.url, ({ state }) => state.hasEnded),
      faultsOf('Socket.IO', joinWithSocketIo, other.url as string, (_guest, expiredMs) => expiredMs > 2 * LEEWAY_MS),
    ]);
    expect(faults).toEqual([
      { program: 'Polycast', leftOnReload: false, flooded: false, readsAfterExpiry: false },
      { program: 'Socket.IO', leftOnReload: true, flooded: true, readsAfterExpiry: true },
    ]);
  });
});

type JoinRoom = (options: RoomOptions) => Room;

interface Faults {
  readonly program: string;
  readonly leftOnReload: boolean;
  readonly flooded: boolean;
  readonly readsAfterExpiry: boolean;
}

/**
 * @param hasExpired whether the guest's session is over, or its token so old that it ought to be
 */
async function faultsOf(
  program: string,
  join: JoinRoom,
  url: string,
  hasExpired: (guest: Member, expiredMs: number) => boolean,
): Promise<Faults> {
  const joinAs = (me: string, options: Partial<RoomOptions> = {}): Member =>
    memberOf(join, {
      url,
      room: 'faults',
      me,
      storage: storageOf(),
      getToken: async () => tokenOf(me),
      ...options,
    });
  const members: string[] = [];
  let floodMs = performance.now();
  let flooded = false;
  const ann = joinAs('ann', {
    onChange(state) {
      members.push(state.members.join());
      const arrived = state.messages.filter(({ text }) => text.startsWith('flood')).length;
      // More than the rule of the rooms allows: a burst of 10, and 5 a second.
      flooded ||= arrived > 10 + (5 * (performance.now() - floodMs)) / 1000 + 1;
    },
  });
  const bob = joinAs('bob');
  await until('two are there', () => ann.state.members.length === 2);
  let endMs: number | undefined;
  const guest = joinAs('guest', {
    async getToken() {
      if (endMs !== undefined) return undefined;
      endMs = Date.now() + GUEST_SECONDS * 1000;
      return tokenOf('guest', GUEST_SECONDS);
    },
  });
  await until('all are there', () => ann.state.members.length === 3);

  let reloaded = bob;
  let awayMs = Infinity;
  while (awayMs >= GRACE_MS) {
    members.length = 0;
    const startMs = performance.now();
    reloaded.room.close();
    reloaded = joinAs('bob');
    await until('bob is back', () => reloaded.state.members.length > 0 && reloaded.state.connection !== 'offline');
    awayMs = performance.now() - startMs;
    await until('ann knows it', () => ann.state.members.includes('bob'));
  }
  floodMs = performance.now();
  for (let number = 0; number < FLOOD; number++) reloaded.room.send(`flood ${number}`);
  await until('the flood arrives', () => ann.state.messages.length > 0);
  await until('the login of the guest has expired', () => hasExpired(guest, Date.now() - (endMs ?? Infinity)));
  ann.room.send('a secret');
  const reads = ({ state }: Member): boolean => state.messages.some(({ text }) => text === 'a secret');
  await until('it is said', () => reads(ann));
  // The server writes to one reader after the other.
  await until('the guest reads it, or is out', () => reads(guest) || guest.state.hasEnded);
  return {
    program,
    leftOnReload: members.some((names) => names !== '' && !names.includes('bob')),
    flooded,
    readsAfterExpiry: reads(guest),
  };
}

interface Member {
  readonly room: Room;
  state: RoomState;
}

function memberOf(join: JoinRoom, options: Omit<RoomOptions, 'onChange'> & Partial<RoomOptions>): Member {
  const member: { room: Room | undefined; state: RoomState } = { room: undefined, state: EMPTY };
  member.room = join({
    ...options,
    onChange(state) {
      member.state = state;
      options.onChange?.(state);
    },
  });
  onTestFinished(() => member.room?.close());
  return member as Member;
}

/** The program of the page in this process, logged in by the site. */
async function join(
  me: string,
  room: string,
  {
    url = chat.url,
    storage = storageOf(),
    onState = () => {},
  }: { url?: string; storage?: RoomOptions['storage']; onState?: (state: RoomState) => void } = {},
): Promise<Member> {
  const cookie = await cookieOf(me);
  const getToken = async (): Promise<string | undefined> => tokenFor(cookie);
  return memberOf(joinRoom, { url, room, me, storage, getToken, onChange: onState });
}

async function cookieOf(name: string): Promise<string> {
  const response = await fetch(`${chat.url}/api/login`, { method: 'POST', body: JSON.stringify({ name }) });
  return (response.headers.get('set-cookie') ?? '').split(';')[0] as string;
}

async function tokenFor(cookie: string): Promise<string | undefined> {
  const response = await fetch(`${chat.url}/api/token`, { method: 'POST', headers: { cookie } });
  return response.ok ? ((await response.json()) as { token: string }).token : undefined;
}

/** A token as the site signs it. */
function tokenOf(user: string, expiresInSeconds = 300): string {
  return signToken({ user }, { secret: chat.secret, expiresInSeconds });
}

async function publishAs(user: string, channel: string, data: unknown, type: string): Promise<void> {
  const connection = connect(chat.url, { token: tokenOf(user) });
  onTestFinished(() => connection.close());
  await connection.publish(channel, data, { type });
}

/** As a server: users may write only so many messages a second. */
async function publish(channel: string, data: unknown): Promise<void> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${chat.key}` };
  const response = await fetch(`${chat.hub.url}/v1/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ channel, data }),
  });
  expect(response.status).toBe(201);
}

function fetchFromHub(path: string): Promise<Response> {
  return fetch(`${chat.hub.url}/v1/${path}`, { headers: { Authorization: `Bearer ${chat.key}` } });
}

async function openChat(
  name: string,
  {
    room = 'lobby',
    ...options
  }: { readonly room?: string; readonly width?: number; readonly colorScheme?: 'light' | 'dark' },
): Promise<{ readonly page: Page; readonly errors: string[] }> {
  const opened = await openPage(browser, `${chat.url}/?room=${room}`, options);
  onTestFinished(() => opened.page.context().close());
  await opened.page.fill('#name', name);
  await opened.page.keyboard.press('Enter');
  await shows(opened.page, '#connection', 'websocket');
  return opened;
}

function textsOf(page: Page): Promise<string[]> {
  return page.$$eval('#messages li span', (spans) => spans.map((span) => span.textContent ?? ''));
}

function shows(page: Page, selector: string, text: string): Promise<void> {
  return until(
    `${selector} shows ${text}`,
    async () => (await page.textContent(selector).catch(() => ''))?.includes(text) === true,
  );
}

/** A browser's storage. */
function storageOf(): RoomOptions['storage'] {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

async function startComparison(): Promise<Part> {
  const folder = mkdtempSync(pathOf(tmpdir(), 'chat-comparison-'));
  const port = await unusedPort();
  const part = new Part({
    name: 'comparison',
    command: ['node', 'comparison/server.ts'],
    folder: import.meta.dirname,
    url: `http://127.0.0.1:${port}`,
    environment: { PORT: String(port), DATABASE: pathOf(folder, 'chat.db'), EXAMPLE_SECRET: chat.secret },
  });
  await part.start();
  onTestFinished(async () => {
    await part.kill();
    rmSync(folder, { recursive: true });
  });
  return part;
}

function linesOf(...paths: string[]): number {
  const lines = paths.flatMap((path) => readFileSync(pathOf(import.meta.dirname, path), 'utf8').split('\n'));
  return lines.filter((line) => !/^\s*(?:$|\/\/|\/?\*|#)/.test(line)).length;
}
