import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../testing/temporary-folder.ts';
import { listenUntilTestEnds } from '../../../testing/test-servers.ts';
import { waitUntil, openWebSubWorld, type WebSubWorld } from '../../../testing/websub-world.ts';

/** Hosts on loopback addresses. They confirm everything and record denials. */
async function hosts(names: readonly string[]): Promise<{
  readonly allow: readonly string[];
  callback(name: string, path: string): string;
  readonly denied: string[];
}> {
  const denied: string[] = [];
  const ports = new Map<string, number>();
  for (const name of names) {
    const server = createServer((request, response) => {
      const { searchParams, pathname } = new URL(request.url ?? '', 'http://host');
      if (searchParams.get('hub.mode') === 'denied') denied.push(`${name}${pathname}`);
      request.resume();
      response.end(searchParams.get('hub.challenge') ?? '');
    });
    ports.set(name, await listenUntilTestEnds(server, name));
  }
  return {
    allow: names.map((name) => `${name}:${ports.get(name)}`),
    callback: (name, path) => `http://${name}:${ports.get(name)}${path}`,
    denied,
  };
}

const keptOn = async (world: WebSubWorld, name: string): Promise<number> =>
  (await world.listSubscriptions()).filter(({ delivery }) => new URL(delivery.url).hostname === name).length;

describe('places of the WebSub hub (PROTOCOL.md section 14.7)', () => {
  it('of one host are bounded, on any ports, so that one publish causes no flood; a renewal is not limited', async () => {
    const { allow, callback, denied } = await hosts(['127.0.0.2', '127.0.0.3']);
    const world = await openWebSubWorld({ outgoing: { allow }, websub: { subscriptionsPerHostMax: 3 } });
    for (let number = 0; number < 5; number++) {
      expect(await world.ask({ callback: callback('127.0.0.2', `/${number}`) })).toBe(202);
      await waitUntil(async () => (await keptOn(world, '127.0.0.2')) + denied.length === number + 1);
    }
    expect(await keptOn(world, '127.0.0.2')).toBe(3);
    expect(denied).toEqual(['127.0.0.2/3', '127.0.0.2/4']);
    await world.subscribe({ callback: callback('127.0.0.2', '/0'), lease_seconds: '3600' });
    await world.subscribe({ callback: callback('127.0.0.3', '/0') });
  });

  it.each([
    ['of one host', { subscriptionsPerHostMax: 3 }],
    ['of all', { subscriptionsMax: 3 }],
  ])('are bounded although many callbacks confirm at one time: %s', async (_what, websub) => {
    const held: (() => void)[] = [];
    let denied = 0;
    const server = createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://host');
      request.resume();
      if (searchParams.get('hub.mode') === 'denied') denied++;
      if (searchParams.get('hub.mode') !== 'subscribe') response.end();
      else held.push(() => response.end(searchParams.get('hub.challenge')));
    });
    const port = await listenUntilTestEnds(server, '127.0.0.2');
    // With a data folder a creation takes time, so other requests are confirmed meanwhile.
    const data = temporaryFolder();
    const world = await openWebSubWorld({ data, outgoing: { allow: [`127.0.0.2:${port}`] }, websub });
    for (let number = 0; number < 20; number++)
      expect(await world.ask({ callback: `http://127.0.0.2:${port}/${number}` })).toBe(202);
    await waitUntil(() => held.length === 20);
    for (const confirm of held) confirm();
    await waitUntil(async () => (await keptOn(world, '127.0.0.2')) + denied === 20);
    expect(await keptOn(world, '127.0.0.2')).toBe(3);
  });

  it('are shared: the host with the most loses its newest to one that has fewer', async () => {
    const { allow, callback, denied } = await hosts(['127.0.0.2', '127.0.0.3']);
    const world = await openWebSubWorld({ outgoing: { allow }, websub: { subscriptionsMax: 4 } });
    for (let number = 0; number < 4; number++) await world.subscribe({ callback: callback('127.0.0.2', `/${number}`) });
    for (const number of [0, 1]) {
      await world.subscribe({ callback: callback('127.0.0.3', `/${number}`) });
      // The list changes when a place is freed, and again when it is taken.
      await waitUntil(async () => (await keptOn(world, '127.0.0.3')) === number + 1);
      // The denial is sent after the place was freed.
      await waitUntil(() => denied.length === number + 1);
    }
    expect([await keptOn(world, '127.0.0.2'), await keptOn(world, '127.0.0.3')]).toEqual([2, 2]);
    expect(denied).toEqual(['127.0.0.2/3', '127.0.0.2/2']);
    // Both hosts have the same number, so a new subscription finds no place.
    expect(await world.ask({ callback: callback('127.0.0.3', '/2') })).toBe(202);
    await waitUntil(() => denied.length === 3);
    expect(denied.at(-1)).toBe('127.0.0.3/2');
  });

  it('of one client are bounded per day; it may still renew and end its own', async () => {
    const { allow, callback } = await hosts(['127.0.0.2']);
    const world = await openWebSubWorld({ outgoing: { allow }, websub: { subscriptionsPerClientMax: 3 } });
    for (let number = 0; number < 3; number++) await world.subscribe({ callback: callback('127.0.0.2', `/${number}`) });
    expect(await world.ask({ callback: callback('127.0.0.2', '/3') })).toBe(429);
    expect(await world.ask({ callback: callback('127.0.0.2', '/2') })).toBe(202);
    expect(await world.ask({ callback: callback('127.0.0.2', '/1'), mode: 'unsubscribe' })).toBe(202);
    await waitUntil(async () => (await keptOn(world, '127.0.0.2')) === 2);
  });
});
