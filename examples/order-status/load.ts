import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';
import { until } from '../../conformance/kit/wait.ts';
import type { RunningExample } from '../kit/start-example.ts';

/**
 * Each customer follows an order of their own by the same transport, while the kitchen publishes
 * the states of all orders. It measures the requests of the customers, and their cost for the hub.
 */
export type Transport = 'short-poll' | 'long-poll' | 'sse' | 'websocket' | 'webhook';

export interface Load {
  readonly customers: number;
  /** From the first state of an order to the last. */
  readonly orderMs: number;
  readonly pollIntervalMs: number;
}

export interface Cost {
  readonly delaysMs: readonly number[];
  readonly requests: number;
  readonly bytes: number;
  readonly hubCpuMs: number;
}

const STATES = 7;
const GROUPS = 20;
/** The kernel counts CPU in hundredths of a second. */
const TICK_MS = 10;

interface Update {
  readonly order: string;
  readonly state: string;
  readonly sentMs: number;
}

export async function measureLoad(example: RunningExample, transport: Transport, load: Load): Promise<Cost> {
  const orders = Array.from({ length: load.customers }, (_, index) => `load-${transport}-${index}`);
  const follow = transport === 'webhook' ? followByWebhook : followByClient;
  const before = example.front.traffic(isOf(transport));
  const cpuBeforeMs = cpuMs(example.part('hub').pid as number);
  const follower = await follow(example, orders, { ...load, transport });
  await publishStates(example, orders, load);
  const delaysMs = await follower.finished();
  const traffic = example.front.traffic(isOf(transport));
  const hubCpuMs = cpuMs(example.part('hub').pid as number) - cpuBeforeMs;
  await follower.close();
  return { delaysMs, requests: traffic.requests - before.requests, bytes: traffic.bytes - before.bytes, hubCpuMs };
}

/** Orders are not in step: each twentieth of them is a little later than the one before. */
async function publishStates({ hub, key }: RunningExample, orders: readonly string[], load: Load): Promise<void> {
  const publisher = createPublisher(hub.url, { key });
  const size = Math.ceil(orders.length / GROUPS);
  for (let step = 0; step < STATES; step++) {
    for (let from = 0; from < orders.length; from += size) {
      const group = orders.slice(from, from + size).map((order) => ({
        channel: `orders.${order}`,
        data: { order, state: String(step), sentMs: performance.now() } satisfies Update,
        type: 'order.changed',
      }));
      await Promise.all([publisher.publishMany(group), pause(load.orderMs / STATES / GROUPS)]);
    }
  }
}

interface Follower {
  /** The delays of all states of all orders, once all have arrived. */
  finished(): Promise<readonly number[]>;
  close(): Promise<void>;
}

async function followByClient(
  { url }: RunningExample,
  orders: readonly string[],
  { transport, pollIntervalMs }: Load & { readonly transport: Transport },
): Promise<Follower> {
  const transports = [transport] as Exclude<Transport, 'webhook'>[];
  const delays: number[] = [];
  const connections = orders.map(() => connect(url, { transports, pollIntervalMs, readyTimeoutMs: 30_000 }));
  const joined = connections.map((connection, index) => {
    const receive = ({ data }: { data: Update }): void => void delays.push(performance.now() - data.sentMs);
    return connection.subscribe<Update>(`orders.${orders[index]}`, receive).joined;
  });
  await Promise.all(joined);
  return {
    async finished() {
      await until('all states have arrived', () => delays.length >= orders.length * STATES);
      return delays;
    },
    async close() {
      for (const connection of connections) connection.close();
    },
  };
}

/** Webhooks to the courier, over the front, which counts them. */
async function followByWebhook(example: RunningExample, orders: readonly string[]): Promise<Follower> {
  const { url, hub, key, secret } = example;
  const subscriptions = `${hub.url}/v1/subscriptions`;
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };
  const delivery = { kind: 'webhook', url: `${url}/hook`, secret: `whsec_${secret}` };
  const body = JSON.stringify({ channels: ['orders.*'], delivery });
  const created = await fetch(subscriptions, { method: 'POST', headers, body });
  const { id } = (await created.json()) as { id: string };
  const before = example.front.traffic(isOf('webhook')).requests;
  return {
    async finished() {
      const expected = before + orders.length * STATES;
      await until('all webhooks have arrived', () => example.front.traffic(isOf('webhook')).requests >= expected);
      const delays: number[] = [];
      for (const order of orders) {
        let arrivals: readonly { readonly delayMs: number }[] = [];
        // The requests are also those of other customers, and are counted before they are stored.
        await until(`all webhooks of ${order} are stored`, async () => {
          arrivals = (await (await fetch(`${url}/api/arrivals/${order}`)).json()) as typeof arrivals;
          return arrivals.length >= STATES;
        });
        for (const { delayMs } of arrivals) delays.push(delayMs);
      }
      return delays;
    },
    close: async () => void (await fetch(`${subscriptions}/${id}`, { method: 'DELETE', headers })),
  };
}

/**
 * The requests of these customers: polls and streams name their channels,
 * the others are the only ones of their kind.
 */
function isOf(transport: Transport): (request: IncomingMessage) => boolean {
  return ({ url = '', headers }) => {
    if (transport === 'webhook') return url === '/hook';
    if (transport === 'websocket') return headers.upgrade !== undefined;
    return url.startsWith('/v1/events') && url.includes(`load-${transport}-`);
  };
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
