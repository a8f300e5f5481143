import { expect, onTestFinished, test, vi } from 'vitest';
import { Shutdown, type ShutdownStage } from './shutdown.ts';

test('parts close one after the other, ordered by stage, whatever the order of opening', async () => {
  const shutdown = new Shutdown();
  const steps: string[] = [];
  const add = (stage: ShutdownStage, name: string): void =>
    shutdown.add(stage, async () => {
      steps.push(`${name} begins`);
      await Promise.resolve();
      steps.push(`${name} ends`);
    });
  add('identity', 'keys');
  add('log', 'log');
  add('tasks', 'retention');
  add('tasks', 'scrub');
  await shutdown.close();
  expect(steps).toEqual(['retention', 'scrub', 'log', 'keys'].flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test('closing twice closes each part once, and both calls wait for it', async () => {
  const shutdown = new Shutdown();
  const { promise, resolve } = Promise.withResolvers<void>();
  let closed = 0;
  shutdown.add('log', () => {
    closed++;
    return promise;
  });
  const closings = Promise.all([shutdown.close(), shutdown.close()]);
  expect(shutdown.state).toBe('draining');
  resolve();
  await closings;
  expect(closed).toBe(1);
  expect(shutdown.state).toBe('closed');
});

test('a part that takes long to close is reported by its stage, and again', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const long: ShutdownStage[] = [];
  const shutdown = new Shutdown((stage) => long.push(stage));
  const { promise, resolve } = Promise.withResolvers<void>();
  shutdown.add('tasks', () => undefined);
  shutdown.add('log', () => promise);
  shutdown.add('site', () => undefined);
  const closing = shutdown.close();
  await vi.advanceTimersByTimeAsync(11_000);
  expect(long).toEqual([]);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(long).toEqual(['log', 'log']);
  resolve();
  await closing;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(long).toHaveLength(2);
});

test('a draining hub is not open, and a closed one stays closed', async () => {
  const shutdown = new Shutdown();
  shutdown.drain();
  expect(shutdown.state).toBe('draining');
  await shutdown.close();
  shutdown.drain();
  expect(shutdown.state).toBe('closed');
});
