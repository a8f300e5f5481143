import { describe, expect, test } from 'vitest';
import { openWebServer } from '../../testing/test-servers.ts';
import { createResolver } from './name-resolver.ts';
import { nameServer } from '../testing/name-server.ts';
import { post, recordingDial, testSender } from '../testing/test-sender.ts';

describe('a name', () => {
  test('has the addresses of both kinds', async () => {
    const { address, queries: asked } = await nameServer(() => ['1.1.1.1', '1.0.0.1', '2606:4700:0:0:0:0:0:1111']);
    const found = await createResolver([address])('a.example');
    expect(found.map((each) => `${each.family} ${each.address}`).toSorted()).toEqual([
      '4 1.0.0.1',
      '4 1.1.1.1',
      '6 2606:4700::1111',
    ]);
    expect(asked.toSorted()).toEqual(['A a.example', 'AAAA a.example']);
  });

  test('in a lookup is not looked up twice; after the lookup it is', async () => {
    const { address, queries: asked } = await nameServer(() => ['1.1.1.1']);
    const resolve = createResolver([address]);
    await Promise.all([resolve('a.example'), resolve('a.example'), resolve('b.example')]);
    expect(asked.filter((each) => each.startsWith('A ')).toSorted()).toEqual(['A a.example', 'A b.example']);
    await resolve('a.example');
    expect(asked.filter((each) => each === 'A a.example')).toHaveLength(2);
  });

  test('that does not exist receives an error', async () => {
    const { address } = await nameServer(() => 'unknown');
    const sender = testSender({ nameServers: [address] });
    expect(await sender.send(post('https://a.example/'))).toMatchObject({ failure: 'destination' });
  });

  test('that does not exist is not distinguishable from a private one', async () => {
    const { address } = await nameServer((name) => (name === 'inside.example' ? ['10.0.0.7'] : 'unknown'));
    const sender = testSender({ nameServers: [address] });
    const failureOf = async (name: string): Promise<object> => {
      const { timing: _, ...sent } = await sender.send(post(`https://${name}.example/`));
      return JSON.parse(JSON.stringify(sent).replaceAll(name, 'NAME')) as object;
    };
    expect(await failureOf('inside')).toEqual(await failureOf('nowhere'));
  });

  test('whose server does not answer for one kind is resolved with the other', async () => {
    const { address } = await nameServer((_name, kind) => (kind === 'A' ? ['1.1.1.1'] : 'silent'));
    const { dial, dialled } = recordingDial();
    // The resolver waits some seconds for the other kind.
    await testSender({ nameServers: [address], dial }).send(post('https://a.example/', { timeoutMs: 60_000 }));
    expect(dialled).toEqual(['1.1.1.1 443']);
  });

  test('of the system is found without name servers, in its files', async () => {
    expect((await createResolver()('localhost')).length).toBeGreaterThan(0);
  });
});

describe('a name that changes between look-ups', () => {
  test('is looked up once for a connection, which goes to what was checked', async () => {
    const { address, queries: asked } = await nameServer((_name, _kind, times) => [
      times === 0 ? '1.1.1.1' : '127.0.0.1',
    ]);
    const { dial, dialled } = recordingDial();
    const sender = testSender({ nameServers: [address], dial });
    expect((await sender.send(post('http://a.example/'))).failure).toBe('connection');
    expect(dialled).toEqual(['1.1.1.1 80']);
    expect(asked.filter((each) => each === 'A a.example')).toHaveLength(1);
    expect((await sender.send(post('http://a.example/'))).failure).toBe('destination');
    expect(dialled).toHaveLength(1);
  });

  test('with changing records of one kind is refused as soon as one of them is private', async () => {
    const { address } = await nameServer((_name, kind) => (kind === 'A' ? ['1.1.1.1'] : ['0:0:0:0:0:0:0:1']));
    const { dial, dialled } = recordingDial();
    expect((await testSender({ nameServers: [address], dial }).send(post('http://a.example/'))).failure).toBe(
      'destination',
    );
    expect(dialled).toEqual([]);
  });

  test('does not affect a connection that is already open', async () => {
    const { url, port } = await openWebServer((_request, response) => response.end('here'));
    expect(url).toContain('127.0.0.1');
    const { address, queries: asked } = await nameServer((_name, _kind, times) => [
      times === 0 ? '127.0.0.1' : '10.0.0.1',
    ]);
    const sender = testSender({ nameServers: [address], allow: [`a.example:${port}`] });
    for (let round = 0; round < 3; round++)
      expect((await sender.send(post(`http://a.example:${port}/`))).answer?.body).toBe('here');
    expect(asked.filter((each) => each === 'A a.example')).toHaveLength(1);
  });
});

describe('slow name servers', () => {
  test('time out at the deadline, and delay no other lookup', async () => {
    const { port } = await openWebServer((_request, response) => response.end('here'));
    const { address } = await nameServer((name) => (name === 'good.example' ? ['127.0.0.1'] : 'silent'));
    const sender = testSender({ nameServers: [address], allow: [`good.example:${port}`], connectionsMax: 1000 });
    let ended = 0;
    // The resolver itself gives up after 4 s, and a busy machine counts a deadline slowly. The good
    // name is found before the deadline, also on a machine that stands still for two seconds.
    const slow = Array.from({ length: 100 }, (_, index) =>
      sender.send(post(`https://slow-${index}.example/`, { timeoutMs: 2500 })).finally(() => ended++),
    );
    const good = await sender.send(post(`http://good.example:${port}/`, { timeoutMs: 60_000 }));
    expect(good.answer?.body).toBe('here');
    expect(ended).toBe(0);
    for (const sent of await Promise.all(slow)) expect(sent).toMatchObject({ failure: 'timeout', answer: undefined });
    expect(sender.metrics.waiting).toBe(0);
  });
});
