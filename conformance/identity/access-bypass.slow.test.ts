import { beforeAll, describe, expect, test } from 'vitest';
import { call, type Reply } from '../kit/http.ts';
import { CALLERS, type Caller } from './callers.ts';
import { CHANNELS } from './channels.ts';
import { privateMessageTo, startWorld, type TestWorld } from './kit/world.ts';
import { ROUTES } from './rows.ts';
import { headersOf } from './access-methods.ts';

/** Channels that the caller may not read, requested in unusual forms. */
let world: TestWorld;
const VICTIM = 'polycast.private.8';

beforeAll(async () => {
  world = await startWorld();
});

/** Callers with access to other channels, and an anonymous one. */
const ATTACKERS = CALLERS.filter(({ name }) =>
  [
    'none',
    'token, right user',
    'token, with a grant of everything',
    'login, right user',
    'key without the scope',
  ].includes(name),
);

const READS: readonly string[] = [
  '/v1/channels/polycast%2Eprivate%2E8',
  '/v1/channels/%70olycast.private.8/history',
  '/v1/channels/polycast.private.8/history?limit=1&after=earliest',
  '/v1/channels/polycast.private.8/presence',
  '/v1/channels/@me',
  '/v1/channels/%40me/history',
  '/v1/channels/*/history',
  '/v1/channels/polycast.private.*',
  '/v1/events?channel=%70olycast%2Eprivate%2E8&after=earliest',
  '/v1/events?channel=open.news&channel=polycast.private.8&after=earliest',
  '/v1/events?channel=@me&channel=polycast.private.8&after=earliest',
  '/v1/events?channel=*.*.8&after=earliest',
  '/v1/events?channel=*.>&after=earliest',
  '/v1/events?channel=polycast.*.8&after=earliest',
  '/v1/events?channel=polycast.private.8&history=1&type=none',
  '/v1/events?channel=polycast.presence.polycast.private.8&after=earliest',
  '/v1/events?channel=@me&user=8&after=earliest',
  '/v1/events?channel=@8&after=earliest',
  '/v1/events?channel=@me.8&after=earliest',
  '/v1/events/?channel=polycast.private.8&after=earliest',
  '//v1/events?channel=polycast.private.8&after=earliest',
  '/V1/EVENTS?channel=polycast.private.8&after=earliest',
  '/v1/users/8',
  '/v1/users/8/events',
];

describe.each(ATTACKERS)('$name', (attacker) => {
  test.each(READS)('cannot read it by %s', async (path) => {
    for (const Accept of ['application/json', 'text/event-stream']) {
      const { text, status } = await requestAs(attacker, path, { Accept });
      // A refusal names the requested channel, and nothing else.
      const isShown = status < 400 && text.includes(VICTIM + '"');
      expect([status, text.includes(privateMessageTo('8')) || isShown]).toEqual([status, false]);
    }
  });

  test('learns nothing from conditional requests: neither that it has changed nor that it has not', async () => {
    const path = `/v1/events?channel=${VICTIM}&after=earliest`;
    const owner = CALLERS.find(({ name }) => name === 'token, other user') as Caller;
    const { etag } = (await requestAs(owner, path)).headers;
    const newest = (await requestAs(owner, `/v1/channels/${VICTIM}`)).headers.etag;
    const answers = [
      await requestAs(attacker, path, { 'If-None-Match': etag as string }),
      await requestAs(attacker, path, { 'If-None-Match': '*' }),
      await requestAs(attacker, `/v1/channels/${VICTIM}`, { 'If-None-Match': newest as string }),
      await requestAs(attacker, `/v1/channels/${VICTIM}?wait=20`, { 'If-None-Match': newest as string }),
      await requestAs(attacker, path, { 'Last-Event-ID': world.first(VICTIM).id, Accept: 'text/event-stream' }),
    ];
    const refusal = attacker.credentialsStatus === 'nobody' ? 401 : 403;
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => refusal));
    expect(answers.filter(({ headers }) => headers.etag !== undefined)).toEqual([]);
  });

  test('reveals no channel: an existing channel is refused like a missing one', async () => {
    const shape = async (path: string): Promise<unknown> => {
      const { status, text } = await requestAs(attacker, path);
      return [status, text.replaceAll(/polycast\.private\.\w+/g, 'it')];
    };
    for (const path of ['/v1/channels/%', '/v1/channels/%/history', '/v1/events?channel=%', '/v1/channels/%/presence'])
      expect(await shape(path.replace('%', VICTIM))).toEqual(await shape(path.replace('%', 'polycast.private.absent')));
  });
});

test('its owner can read it by the valid paths among them', async () => {
  const owner = CALLERS.find(({ name }) => name === 'token, other user') as Caller;
  const ways = [];
  for (const path of READS) if ((await requestAs(owner, path)).text.includes(privateMessageTo('8'))) ways.push(path);
  expect(ways).toEqual([
    '/v1/channels/%70olycast.private.8/history',
    '/v1/channels/polycast.private.8/history?limit=1&after=earliest',
    '/v1/events?channel=%70olycast%2Eprivate%2E8&after=earliest',
    '/v1/events?channel=open.news&channel=polycast.private.8&after=earliest',
    '/v1/events?channel=@me&channel=polycast.private.8&after=earliest',
  ]);
});

test('a route without authentication reveals no user', async () => {
  const open = Object.entries(ROUTES).filter(
    ([route, { permission }]) => permission === 'nothing' && route.startsWith('GET '),
  );
  expect(open.length).toBeGreaterThan(0);
  const names = [
    ...CHANNELS.map(({ channel }) => channel),
    world.issuer.key('full').split('_')[1] as string,
    privateMessageTo('8'),
  ];
  for (const [route] of open) {
    const { text } = await call(world.hub.url + route.slice('GET '.length));
    expect([route, names.filter((name) => text.includes(name))]).toEqual([route, []]);
  }
});

/** User 7 may publish to `open.news`, and to none of the others. */
const FORBIDDEN = [
  'inbox.8.letters',
  VICTIM,
  'polycast.presence.members.news',
  'polycast.users.online',
  'backend.jobs',
];
const PUBLISHER = CALLERS.find(({ name }) => name === 'token, right user') as Caller;

describe.each(FORBIDDEN)('%s', (channel) => {
  const marker = 'by a way round';
  const cloudEvent = { specversion: '1.0', type: 't', source: '/s', id: channel, data: marker };
  const attempts: Readonly<Record<string, () => Promise<Reply>>> = {
    'among lines that are allowed': () =>
      send('/v1/events', 'application/x-ndjson', [event('open.news'), event(channel), event('open.news')].join('\n')),
    'in an array with one that is allowed': () =>
      send('/v1/events', 'application/json', `[${event('open.news')},${event(channel)}]`),
    'as the subject of a CloudEvent': () =>
      send('/v1/events', 'application/cloudevents+json', JSON.stringify({ ...cloudEvent, subject: channel })),
    'in a CloudEvent sent to another channel': () =>
      send('/v1/channels/open.news/events', 'application/cloudevents+json', JSON.stringify({ ...cloudEvent, channel })),
    'in the headers of one sent to another channel': () =>
      send('/v1/channels/open.news/events', 'application/json', JSON.stringify(marker), {
        'ce-specversion': '1.0',
        'ce-type': 't',
        'ce-source': '/s',
        'ce-id': `headers ${channel}`,
        'ce-channel': channel,
      }),
    'with the channel named twice': () =>
      send('/v1/events', 'application/json', `{"channel":"open.news","channel":"${channel}","data":"${marker}"}`),
    'with an escaped name': () =>
      send(
        '/v1/events',
        'application/json',
        `{"channel":"\\u00${channel.charCodeAt(0).toString(16)}${channel.slice(1)}","data":"${marker}"}`,
      ),
    'by an escaped address': () =>
      send(`/v1/channels/${channel.replaceAll('.', '%2E')}/events`, 'application/json', JSON.stringify(marker)),
    'as a letter': () => send('/v1/users/8/events', 'application/json', JSON.stringify({ data: marker })),
    'as letters': () =>
      send('/v1/users/events', 'application/json', JSON.stringify([{ users: ['7', '8'], data: marker }])),
    'with another user and origin of its own': () =>
      send('/v1/events', 'application/json', JSON.stringify({ channel, data: marker, user: '8', origin: 'x' })),
  };

  test.each(Object.entries(attempts))('receives nothing %s', async (_how, attempt) => {
    await attempt();
    const admin = CALLERS.find(({ name }) => name === 'admin') as Caller;
    const { text } = await requestAs(admin, `/v1/events?channel=${channel}&after=earliest&limit=1000`);
    expect(text).not.toContain(marker);
  });

  function event(to: string): string {
    return JSON.stringify({ channel: to, data: marker });
  }
});

function requestAs(caller: Caller, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return call(world.hub.url + path, { headers: { ...headersOf(caller.credentials(world.issuer)), ...headers } });
}

function send(
  path: string,
  mediaType: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return call(world.hub.url + path, {
    method: 'POST',
    headers: { ...headersOf(PUBLISHER.credentials(world.issuer)), 'Content-Type': mediaType, ...headers },
    body,
  });
}
