import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { unusedPort } from '../../../../scripts/unused-port.ts';
import { hubForTest, type TestHub } from '../testing/hub.ts';
import { RetryIn, work, type JobHandler, type PolycastEvent, type Work, type WorkOptions } from '../work.ts';

/** Creates a pull subscription to `jobs.>`, to which all events of the hub belong. */
async function subscribe({ url }: TestHub, more: object = {}): Promise<string> {
  const response = await fetch(`${url}/v1/subscriptions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channels: ['jobs.>'], delivery: { kind: 'pull' }, ...more }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: string }).id;
}

async function publishMany({ url }: TestHub, count: number, channelOf: (number: number) => string): Promise<void> {
  const events = Array.from({ length: count }, (_, number) => ({ channel: channelOf(number), data: number }));
  await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(events),
  });
}

function started(hub: { readonly url: string }, id: string, handler: JobHandler, options: WorkOptions = {}): Work {
  const worker = work(hub.url, id, handler, { onError: () => undefined, ...options });
  onTestFinished(async () => {
    await worker.stop(0).catch(() => undefined);
  });
  return worker;
}

async function backlog(
  { url }: TestHub,
  id: string,
): Promise<{ inFlight: number; failing: number; lagPositions: number }> {
  const answer = (await (await fetch(`${url}/v1/subscriptions/${id}`)).json()) as { backlog: never };
  return answer.backlog;
}

describe.each(['http', 'websocket'] as const)('over %s', (transport) => {
  test('each event is handled once, by one of several workers, and in the order of its channel', async () => {
    const hub = await hubForTest();
    const id = await subscribe(hub);
    const seen = new Map<string, unknown[]>();
    let count = 0;
    const all = Promise.withResolvers<void>();
    const handler = async ({ channel, data }: PolycastEvent): Promise<void> => {
      await new Promise(setImmediate);
      seen.set(channel, [...(seen.get(channel) ?? []), data]);
      if (++count === 300) all.resolve();
    };
    for (const _ of [1, 2, 3]) started(hub, id, handler, { transport, concurrency: 4 });
    await publishMany(hub, 300, (number) => `jobs.${number % 10}`);
    await all.promise;
    for (const [channel, numbers] of seen)
      expect(numbers).toEqual(Array.from({ length: 30 }, (_, index) => index * 10 + Number(channel.slice(5))));
    await expect.poll(() => backlog(hub, id)).toMatchObject({ inFlight: 0, lagPositions: 0 });
    expect(count).toBe(300);
  });

  test('the concurrency of handlers is limited as configured', async () => {
    const hub = await hubForTest();
    const id = await subscribe(hub);
    let busy = 0;
    let most = 0;
    let count = 0;
    const all = Promise.withResolvers<void>();
    started(
      hub,
      id,
      async () => {
        most = Math.max(most, ++busy);
        await new Promise(setImmediate);
        busy -= 1;
        if (++count === 50) all.resolve();
      },
      { transport, concurrency: 3 },
    );
    await publishMany(hub, 50, (number) => `jobs.${number}`);
    await all.promise;
    expect(most).toBe(3);
  });

  test('an error of a handler is reported, and its event is delivered again after the requested delay', async () => {
    const hub = await hubForTest();
    const id = await subscribe(hub);
    const deliveries: number[] = [];
    const errors: unknown[] = [];
    const done = Promise.withResolvers<void>();
    const handler: JobHandler = (_event, { delivery }) => {
      deliveries.push(delivery);
      if (delivery === 1) throw new RetryIn(0);
      if (delivery === 2) throw new Error('down');
      done.resolve();
    };
    started(hub, id, handler, {
      transport,
      onError: (error, event) => errors.push([(error as Error).message, event?.data]),
    });
    await hub.publish('jobs.a', 7);
    await done.promise;
    expect(deliveries).toEqual([1, 2, 3]);
    expect(errors).toEqual([['down', 7]]);
  });

  test('the events of a worker that dies are leased again when its leases end', async () => {
    const hub = await hubForTest();
    const id = await subscribe(hub);
    // Like a killed worker: it pulls, and sends nothing more.
    await hub.publish('jobs.a', 1);
    const pulled = await fetch(`${hub.url}/v1/subscriptions/${id}/pull`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ count: 10, leaseSeconds: 1 }),
    });
    expect(((await pulled.json()) as { events: unknown[] }).events).toHaveLength(1);
    const { promise, resolve } = Promise.withResolvers<number>();
    started(hub, id, (_event, { delivery }) => resolve(delivery), { transport });
    expect(await promise).toBe(2);
  });

  describe('stopping', () => {
    test('lets running handlers finish, and requests no more events', async () => {
      const hub = await hubForTest();
      const id = await subscribe(hub);
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const handled: unknown[] = [];
      const worker = started(
        hub,
        id,
        async ({ data }) => {
          begun.resolve();
          await finish.promise;
          handled.push(data);
        },
        { transport, concurrency: 1 },
      );
      await hub.publish('jobs.a', 1);
      await begun.promise;
      await hub.publish('jobs.b', 2);
      const stopped = worker.stop();
      finish.resolve();
      await stopped;
      expect(handled).toEqual([1]);
      expect(await backlog(hub, id)).toMatchObject({ inFlight: 0 });
      const next = Promise.withResolvers<[unknown, number]>();
      started(hub, id, ({ data }, { delivery }) => next.resolve([data, delivery]));
      expect(await next.promise).toEqual([2, 1]);
    });

    test('returns events whose handlers take longer than the timeout', async () => {
      const hub = await hubForTest();
      const id = await subscribe(hub);
      const begun = Promise.withResolvers<AbortSignal>();
      const worker = started(
        hub,
        id,
        (_event, { signal }) => {
          begun.resolve(signal);
          return new Promise(() => undefined);
        },
        { transport },
      );
      await hub.publish('jobs.a', 1);
      const signal = await begun.promise;
      await worker.stop(0);
      expect(signal.aborted).toBe(true);
      const again = Promise.withResolvers<number>();
      started(hub, id, (_event, { delivery }) => again.resolve(delivery));
      expect(await again.promise).toBe(2);
    });

    test('ends without the hub, when the leases of the results that it cannot send have ended', async () => {
      const hub = await hubForTest();
      const id = await subscribe(hub);
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const errors: unknown[] = [];
      const handler = async (): Promise<void> => {
        begun.resolve();
        await finish.promise;
      };
      const onError = (error: unknown): void => void errors.push(error);
      // The worker asks for no more: it would get the same event again if the lease ended early.
      const worker = started(hub, id, handler, { transport, concurrency: 1, leaseSeconds: 3, onError });
      await hub.publish('jobs.a', 1);
      await begun.promise;
      await hub.terminate();
      finish.resolve();
      await worker.stop(0);
      expect(errors.at(-1)).toMatchObject({ name: 'LeaseEndedError', count: 1 });
    });

    test('by an AbortSignal, also by one that is aborted already', async () => {
      const hub = await hubForTest();
      const id = await subscribe(hub);
      const abort = new AbortController();
      const { ended } = started(hub, id, () => undefined, { transport, signal: abort.signal });
      abort.abort();
      await ended;
      await started(hub, id, () => undefined, { transport, signal: abort.signal }).ended;
    });
  });

  test('the worker waits for a hub that restarts, and acknowledges finished events to the next one', async () => {
    const { mkdtempSync, rmSync } = await import('node:fs');
    const folder = mkdtempSync(`/tmp/polycast-work-${randomUUID().slice(0, 8)}`);
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const port = await unusedPort();
    const first = await hubForTest({ data: folder, port });
    const id = await subscribe(first);
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const handled: unknown[] = [];
    started(
      first,
      id,
      async ({ data }) => {
        begun.resolve();
        await finish.promise;
        handled.push(data);
      },
      { transport },
    );
    await first.publish('jobs.a', 1);
    await begun.promise;
    await first.terminate();
    finish.resolve();
    const second = await hubForTest({ data: folder, port });
    await second.publish('jobs.a', 2);
    await expect.poll(() => handled).toEqual([1, 2]);
    await expect.poll(() => backlog(second, id)).toMatchObject({ inFlight: 0 });
  });

  test('the worker waits for a paused subscription, and ends for a missing one', async () => {
    const hub = await hubForTest();
    const id = await subscribe(hub);
    const post = (route: string): Promise<Response> =>
      fetch(`${hub.url}/v1/subscriptions/${id}/${route}`, { method: 'POST' });
    await post('pause');
    const waits = Promise.withResolvers<unknown>();
    const handled = Promise.withResolvers<unknown>();
    started(hub, id, ({ data }) => handled.resolve(data), {
      onError: (error) => waits.resolve((error as { code: unknown }).code),
    });
    expect(await waits.promise).toBe('subscription_not_active');
    await hub.publish('jobs.a', 1);
    await post('resume');
    expect(await handled.promise).toBe(1);
    await expect(started(hub, 'sub_0000000000000000', () => undefined, { transport }).ended).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

test('the worker pulls again when the hub has ended a pull, and ends when the hub refuses the next one', async () => {
  const hub = await hubForTest();
  const id = await subscribe(hub);
  const pulled = JSON.stringify({ op: 'pulled', subscription: id, code: 'log_unavailable' });
  let isFirst = true;
  class EndingSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('message', ({ data }) => {
        if (!isFirst || (JSON.parse(data as string) as { op: string }).op !== 'pull') return;
        isFirst = false;
        setImmediate(() => this.dispatchEvent(new MessageEvent('message', { data: pulled })));
      });
    }
  }
  const errors: unknown[] = [];
  const paused = Promise.withResolvers<void>();
  const handled = Promise.withResolvers<unknown>();
  const worker = started(hub, id, ({ data }) => handled.resolve(data), {
    transport: 'websocket',
    WebSocket: EndingSocket,
    onError: (error) => {
      errors.push((error as { code: unknown }).code);
      paused.resolve();
    },
  });
  await paused.promise;
  await hub.publish('jobs.a', 1);
  expect(await handled.promise).toBe(1);
  await expect.poll(() => backlog(hub, id)).toMatchObject({ inFlight: 0 });
  await fetch(`${hub.url}/v1/subscriptions/${id}`, { method: 'DELETE' });
  await expect(worker.ended).rejects.toMatchObject({ code: 'not_found' });
  // The hub ends the second pull, and refuses the third one.
  expect(errors).toEqual(['log_unavailable', 'not_found', 'not_found']);
});

test('a lease is extended while its handler runs', async () => {
  const hub = await hubForTest();
  const id = await subscribe(hub);
  let extensions = 0;
  const longEnough = Promise.withResolvers<void>();
  const counting: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    // Extensions are a third of a lease apart: after four, the first nine seconds are over.
    if (String(input).endsWith('/extend') && ++extensions === 4) longEnough.resolve();
    return answer;
  };
  const deliveries: number[] = [];
  const finished = Promise.withResolvers<void>();
  const handler: JobHandler = async (_event, { delivery, signal }) => {
    deliveries.push(delivery);
    await longEnough.promise;
    expect(signal.aborted).toBe(false);
    finished.resolve();
  };
  // The other worker is idle meanwhile, and would receive a released event. A machine that stands
  // still for some seconds does not outlive the lease.
  for (const _ of [1, 2]) started(hub, id, handler, { leaseSeconds: 9, fetch: counting });
  await hub.publish('jobs.long', 1);
  await finished.promise;
  expect(deliveries).toEqual([1]);
});

test.each([{ concurrency: 0 }, { leaseSeconds: 0 }])('%j is refused immediately', (options) => {
  expect(() => work('http://127.0.0.1:1', 'sub_a', () => undefined, options)).toThrow(RangeError);
});
