import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';

/** The threads that this process starts from now on, until the test ends: the list grows. */
export function startedThreads(): readonly Worker[] {
  const workers: Worker[] = [];
  const onStarted = (message: unknown): void => void workers.push((message as { worker: Worker }).worker);
  subscribe('worker_threads', onStarted);
  onTestFinished(() => void unsubscribe('worker_threads', onStarted));
  return workers;
}
