// Durable subscriptions of a hub under test, created through its API, and the endpoints of their
// webhooks.
import { acceptsConnections, freeUnusedPort } from './processes.ts';
import { type LoadOptions, type LoadRun, runLoad } from './load.ts';
import type { RunningHub } from '../peers/polycast.ts';
import { setTimeout as sleep } from 'node:timers/promises';

const created = 201;
const creationsAtOnce = 32;
const listeningCheckMs = 20;

/** A hub that does not log each of thousands of created subscriptions. */
export const quietLogging: readonly string[] = ['logging.level=warn'];

/** @returns its id */
export async function subscribe(hub: RunningHub, definition: object): Promise<string> {
  const answer = await fetch(`${hub.url}/v1/subscriptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(definition),
  });
  if (answer.status !== created) throw new Error(`subscribing was answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}

/** A few at a time, in the order of their numbers. */
export async function subscribeMany(
  hub: RunningHub,
  count: number,
  definitionOf: (index: number) => object,
): Promise<void> {
  for (let first = 0; first < count; first += creationsAtOnce) {
    const some = Array.from({ length: Math.min(creationsAtOnce, count - first) }, (_, index) => first + index);
    await Promise.all(some.map((index) => subscribe(hub, definitionOf(index))));
  }
}

export async function pauseOrResume(hub: RunningHub, id: string, to: 'pause' | 'resume'): Promise<void> {
  const answer = await fetch(`${hub.url}/v1/subscriptions/${id}/${to}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`${to} was answered ${answer.status}: ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** Endpoints that accept requests. */
export interface Endpoints {
  readonly port: number;
  /** The received events, once all expected ones have arrived or the time is over. */
  readonly received: Promise<LoadRun>;
}

/** @param options of the load generator's `receive` */
export async function startEndpoints(options: LoadOptions, port?: number): Promise<Endpoints> {
  const at = port ?? (await freeUnusedPort());
  const received = runLoad('receive', { port: at, ...options });
  // A generator that cannot start says why, and would never listen.
  const ended = received.then(() => true);
  while (!(await Promise.race([ended, acceptsConnections(at)]))) await sleep(listeningCheckMs);
  return { port: at, received };
}
