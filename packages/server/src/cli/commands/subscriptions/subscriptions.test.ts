import { describe, expect, test, vi } from 'vitest';
import { openEndpoint, openSubscriptionHub, type SubscriptionHub } from '../../../testing/subscription-hub.ts';
import { runInside, type CliResult } from '../../testing.ts';

const until = (condition: () => unknown): Promise<unknown> => vi.waitFor(condition, { interval: 20 });

/** Runs `polycast subscriptions …` at a hub. */
function at(hub: SubscriptionHub): (...args: readonly string[]) => Promise<CliResult> {
  return (...args) => runInside(['subscriptions', ...args, '--url', hub.url]);
}

test('a named queue is created once, and its name stands for its id', async () => {
  const hub = await openSubscriptionHub();
  const run = at(hub);
  const create = (...more: readonly string[]): Promise<CliResult> =>
    run('create', 'jobs.>', '--pull', '--name', 'jobs', ...more);
  const first = await create();
  expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^sub_/) });
  const again = await create('--lease', '60');
  expect([again.out, again.err]).toEqual([first.out, expect.stringContaining('ready jobs, active')]);
  expect((await run('list')).out).toMatch(/^sub_\S+ {2}active {5}jobs {2}pull {2}jobs\.>\n$/);
  expect((await run('show', 'jobs')).out).toMatch(/"leaseSeconds":60|leaseSeconds.*60/);
  expect(await create('--idempotency-key', 'k')).toMatchObject({ code: 2 });
});

describe('a webhook on the command line', () => {
  test('is created, shown, changed, paused, tested, rotated and deleted', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const run = at(hub);
    const created = await run('create', 'orders.>', '-w', endpoint.url, '--format', 'data', '--header', 'X-Tenant: 42');
    expect(created).toMatchObject({ code: 0, err: expect.stringContaining('active') });
    const [id = '', secret = ''] = created.out.split('\n');
    expect([id, secret]).toEqual([expect.stringMatching(/^sub_/), expect.stringMatching(/^whsec_/)]);
    expect((await run('list')).out).toBe(`${id}  active     ${endpoint.url}  orders.>\n`);
    expect((await run('list', '--state', 'paused')).err).toContain('No entries');
    const shown = await run('show', id);
    expect(shown.out).toMatch(/^state +active$/m);
    expect(shown.out).not.toContain('whsec_');
    const filter = '{"greater":["/data/total",10]}';
    const changed = await run('change', id, '--filter', filter, '--rate', '50', '--metadata', 'a=b', '--json');
    expect(JSON.parse(changed.out)).toMatchObject({
      filter: JSON.parse(filter) as unknown,
      ratePerSecond: 50,
      metadata: { a: 'b' },
      delivery: { headers: { 'x-tenant': '…' }, format: 'data' },
    });
    expect(await run('change', id, '--rate', '7', '--if-match', '1')).toMatchObject({ code: 1 });
    expect((await run('test', id, '{"total":11}')).out).toMatch(/sample  attempt 1  delivered 200/);
    expect(endpoint.received[0]).toMatchObject({ body: '{"test":true,"total":11}', headers: { 'x-tenant': '42' } });
    expect((await run('pause', id)).out).toBe(`paused ${id}\n`);
    const { id: event } = (await hub.ask('POST', '/v1/events', { channel: 'orders.1', data: { total: 12 } })).body;
    expect((await run('resume', id)).out).toBe(`active ${id}\n`);
    await until(() => expect(endpoint.received).toHaveLength(2));
    await until(async () =>
      expect((await run('attempts', id, '--event', String(event))).out).toMatch(/attempt 1  delivered 200/),
    );
    expect((await run('trace', String(event))).out).toContain(`${id}  delivered  after 1 attempt`);
    const rotated = await run('rotate-secret', id, '--overlap', '0');
    expect(rotated.out).toMatch(/^whsec_/);
    expect(rotated.out.trim()).not.toBe(secret);
    expect((await run('replay', id, '--after', 'earliest')).code).toBe(0);
    await until(() => expect(endpoint.received).toHaveLength(3));
    expect((await run('delete', id)).out).toBe(`deleted ${id}\n`);
    expect(await run('show', id)).toMatchObject({
      code: 1,
      err: expect.stringContaining('subscription does not exist'),
    });
  });

  test('resume attempts failed events now; list and show say when that would be', async () => {
    let status = 500;
    const endpoint = await openEndpoint((_received, response) => void response.writeHead(status).end());
    const hub = await openSubscriptionHub();
    const run = at(hub);
    const created = await run('create', 'a', '-w', endpoint.url, '--retries', '3600');
    const [id = ''] = created.out.split('\n');
    expect((await run('resume', id)).err).toContain('It was active already');
    await hub.publish('a', 1);
    await until(async () => expect((await run('list')).out).toMatch(/1 failing, next attempt \d{4}-\S+Z\n/));
    const shown = await run('show', id);
    expect(shown.out).toMatch(/^next attempt +\d{4}-\S+Z$/m);
    expect(shown.err).toContain(`polycast subscriptions resume ${id}`);
    status = 200;
    const resumed = await run('resume', id);
    expect([resumed.code, resumed.out]).toEqual([0, `active ${id}\n`]);
    expect(resumed.err).toContain('1 failed event attempted now.');
    await until(() => expect(endpoint.received).toHaveLength(2));
    status = 500;
    await run('replay', id, '--after', 'earliest');
    await until(() => expect(endpoint.received).toHaveLength(3));
    expect((await run('resume', id)).err).toContain('Failed events of its replays are attempted now.');
  });

  test('a given secret is not announced as new', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
    const { err } = await at(hub)('create', 'a', '-w', endpoint.url, '--secret', secret);
    expect(err).toContain('its id and the given secret');
  });

  test('resume verifies an endpoint that failed its verification, and prints its answer', async () => {
    let isReady = false;
    const endpoint = await openEndpoint(({ body }, response) => {
      const { data } = JSON.parse(body) as { data: { challenge: string } };
      response.end(isReady ? data.challenge : '');
    });
    const hub = await openSubscriptionHub({ access: 'open', outgoing: { allow: [new URL(endpoint.url).host] } }, 100);
    const run = at(hub);
    const created = await run('create', 'a', '-w', endpoint.url);
    expect(created.err).toMatch(
      /created, pending: its id and .*\n.*verifies the endpoint first.*subscriptions resume/s,
    );
    const id = created.out.split('\n')[0] as string;
    const resume = async (): Promise<CliResult> => {
      let result = await run('resume', id);
      await until(async () => {
        if (result.err.includes('rate_limited')) result = await run('resume', id);
        expect(result.err).not.toContain('rate_limited');
      });
      return result;
    };
    expect(await resume()).toMatchObject({
      code: 1,
      out: `pending ${id}\n`,
      err: expect.stringContaining('verification of the endpoint failed: it did not return the challenge'),
    });
    expect((await run('attempts', id)).out).toMatch(/question  attempt \d  answer  /);
    isReady = true;
    expect(await resume()).toMatchObject({ code: 0, out: `active ${id}\n` });
  });

  test('that is signed with a key pair prints the public key alone', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const run = at(hub);
    const created = await run('create', 'orders.>', '-w', endpoint.url, '--ed25519');
    expect(created.out).toMatch(/^sub_\w+\nwhpk_\S+\n$/);
    const rotated = await run('rotate-secret', created.out.split('\n')[0] as string, '--ed25519');
    expect(rotated.out).toMatch(/^whpk_\S+\n$/);
    expect(created.out).not.toContain(rotated.out);
  });

  test('lists dead letters, retries them, and deletes them', async () => {
    const hub = await openSubscriptionHub();
    let status = 500;
    const endpoint = await openEndpoint((_received, response) => response.writeHead(status).end());
    const run = at(hub);
    const id = (await run('create', 'a', '-w', endpoint.url, '--retries', 'none')).out.split('\n')[0] as string;
    const events = [await hub.publish('a', 1), await hub.publish('a', 2)];
    const listed = async (): Promise<readonly string[]> =>
      (await run('dead-letters', id)).out
        .split('\n')
        .flatMap((line) => (line === '' ? [] : (line.split('  ')[0] ?? [])));
    await until(async () => expect(await listed()).toEqual(events));
    const one = await run('dead-letters', id, events[0] as string);
    expect(JSON.parse(one.out)).toMatchObject({ event: events[0], payload: { channel: 'a', data: 1 } });
    expect((await run('dead-letters', id, '--retry')).code).toBe(2);
    expect((await run('dead-letters', id, events[0] as string, '--discard')).out).toBe('discarded 1\n');
    status = 200;
    expect((await run('dead-letters', id, '--retry', '--all')).out).toBe('retried 1\n');
    await until(async () => expect(await listed()).toEqual([]));
    expect((await run('test', id)).code).toBe(0);
    status = 500;
    expect(await run('test', id)).toMatchObject({ code: 1, out: expect.stringContaining('refused_status 500') });
  });
});

test('a queue on the command line is pulled from; events are printed as they were published', async () => {
  const hub = await openSubscriptionHub();
  const run = at(hub);
  const id = (await run('create', 'jobs.>', '--pull', '--lease', '60', '--start', 'earliest')).out.trim();
  await hub.ask('POST', '/v1/events', '{"channel":"jobs.1","data":{"n":12345678901234567890,"x":1.50}}');
  await hub.publish('jobs.2', 'two');
  const pulled = (await run('pull', id)).out.split('\n');
  expect(pulled[0]).toContain('"data":{"n":12345678901234567890,"x":1.50}');
  const leases = pulled.flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { lease: string }).lease]));
  expect(leases).toHaveLength(2);
  expect((await run('extend', id, ...leases, '--lease', '300')).out).toBe('2\n');
  const { event } = JSON.parse(pulled[0] as string) as { event: { id: string } };
  const leased = new RegExp(`^${id}  leased  leased once  20\\S+Z, until 20\\S+Z\n$`);
  expect((await run('trace', event.id)).out).toMatch(leased);
  expect((await run('ack', id, leases[0] as string)).out).toBe('1\n');
  expect((await run('trace', event.id)).out).toBe(`${id}  done\n`);
  expect(await run('ack', id, leases[0] as string)).toMatchObject({
    code: 1,
    err: expect.stringContaining('not held'),
  });
  expect((await run('nack', id, leases[1] as string)).code).toBe(0);
  expect((await run('pull', id, '--ack')).out).toContain('"two"');
  expect((await run('pull', id)).err).toContain('No events');
});

test('a queue is acknowledged up to an event, including leases of other workers', async () => {
  const hub = await openSubscriptionHub();
  const run = at(hub);
  const id = (await run('create', 'jobs', '--pull', '--ordering', 'none', '--lease', '60')).out.trim();
  const events = [await hub.publish('jobs', 1), await hub.publish('jobs', 2), await hub.publish('jobs', 3)];
  for (let count = 0; count < 3; count++) expect((await run('pull', id, '-n', '1')).code).toBe(0);
  expect(await run('ack', id, '--through', events[1] as string)).toMatchObject({ code: 0, out: '2\n' });
  const last = await run('ack', id, '--through', events[2] as string, '--json');
  expect(JSON.parse(last.out)).toMatchObject({ count: 1 });
  expect((await hub.ask('GET', `/v1/subscriptions/${id}`)).body['backlog']).toMatchObject({ inFlight: 0, failing: 0 });
});

test('past events are delivered again, all of them or those of one channel, and replays are listed', async () => {
  const hub = await openSubscriptionHub();
  const endpoint = await openEndpoint();
  const run = at(hub);
  const id = (await run('create', 'a.>', '-w', endpoint.url)).out.split('\n')[0] as string;
  expect((await run('replay', id)).err).toContain('No entries');
  const first = await hub.publish('a.1', 1);
  for (const [channel, data] of [
    ['a.2', 2],
    ['a.1', 3],
  ] as const)
    await hub.publish(channel, data);
  const numbers = (): unknown[] => endpoint.received.map(({ body }) => (JSON.parse(body) as { data: unknown }).data);
  await until(() => expect(numbers().toSorted()).toEqual([1, 2, 3]));
  const since = JSON.parse((await run('replay', id, '--since', '2020-01-01T00:00:00Z', '--json')).out) as object;
  expect(since).toMatchObject({ id: expect.stringMatching(/^rpl_/) });
  await until(() => expect(numbers().slice(3).toSorted()).toEqual([1, 2, 3]));
  expect((await run('replay', id, '--after', first, '--channel', 'a.1')).out).toMatch(/^rpl_/);
  await until(() => expect(numbers().slice(6)).toEqual([3]));
  await until(async () => expect((await run('replay', id)).out).toMatch(/^(?:rpl_\w+ {2}done\n){2}$/));
  expect(numbers()).toHaveLength(7);
});

describe('an invalid command line', () => {
  test.each<[args: readonly string[], why: string]>([
    [['create', 'a'], '--webhook'],
    [['create', 'a', '--pull', '-w', 'http://127.0.0.1/'], '--webhook'],
    [['create'], 'missing'],
    [['create', 'a', '--pull', '--filter', '{'], '--filter'],
    [['create', 'a', '-w', 'x', '--retries', 'soon'], '5,60'],
    [['create', 'a', '-w', 'x', '--header', 'none'], '--header'],
    [['create', 'a', '-w', 'x', '--batch-wait', '5'], '--batch'],
    [['change', 'sub_1'], 'at least one option to change'],
    [['test', 'sub_1', '{'], 'JSON'],
    [['replay', 'sub_1', '--after', 'x', '--since', 'y'], 'not both'],
    [['replay', 'sub_1', '--channel', 'x'], '--channel needs --after or --since'],
    [['dead-letters', 'sub_1', '--retry', '--discard'], 'not both'],
    [['dead-letters', 'sub_1', 'event', '--retry', '--all'], 'not both'],
    [['ack', 'sub_1'], 'give leases'],
    [['ack', 'sub_1', 'x', '--through', 'y'], 'give leases'],
  ])('%j', async (args, why) => {
    const { code, err } = await runInside(['subscriptions', ...args, '--url', 'http://127.0.0.1:9']);
    expect(err).toContain(why);
    expect(code).toBe(2);
  });
});

describe('errors use the names of the command line', () => {
  test.each([
    [['create', 'a', '--pull', '-w', 'http://127.0.0.1:9/'], /--webhook URL or --pull, not both/],
    [
      ['create', 'a', '-w', 'http://127.0.0.1:9/', '--retries', '0'],
      /--retries 0: must be seconds of at least 1.*none/,
    ],
    [['dead-letters', 'sub_x', '--all'], /--all needs --retry or --discard/],
    [['dead-letters', 'sub_x', 'event', '--retry', '--all'], /the id of an event or --all, not both/],
    [['dead-letters', 'sub_x', 'event', '--retry', '--discard'], /give --retry or --discard, not both/],
  ])('%j', async (args, message) => {
    expect(await runInside(['subscriptions', ...args])).toMatchObject({ code: 2, err: expect.stringMatching(message) });
  });

  test('errors of the hub as well', async () => {
    const hub = await openSubscriptionHub();
    const endpoint = await openEndpoint();
    const run = at(hub);
    const queue = await run('create', 'a', '--pull', '--timeout', '10');
    expect(queue.err).toMatch(
      /"delivery.timeoutMs" belongs to a webhook, and this is a pull\..*\n.*this is --timeout/s,
    );
    const webhook = await run('create', 'a', '-w', endpoint.url, '--lease', '10');
    expect(webhook.err).toMatch(
      /"delivery.leaseSeconds" belongs to a pull, and this is a webhook\..*\n.*this is --lease/s,
    );
    const secret = await run('create', 'a', '-w', endpoint.url, '--secret', 'x');
    expect(secret.err).toMatch(/"delivery.secret" must be whsec_/);
    const id = (await run('create', 'a', '--pull')).out.trim();
    expect((await run('pull', id, '--wait', '61')).err).toMatch(/"waitSeconds" must be.*\n.*this is --wait/s);
  });
});
