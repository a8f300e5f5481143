import * as http from 'node:http';
import { call, type Reply } from '../http.ts';
import { pause } from '../wait.ts';

/** An event as a worker receives it (PROTOCOL.md section 14.6). */
export interface Leased {
  readonly lease: string;
  readonly delivery: number;
  readonly leaseEnds: string;
  readonly event: { readonly id: string; readonly channel: string; readonly data: string };
}

/** One delivery, as its worker recorded it. */
export interface Delivery {
  readonly id: string;
  readonly channel: string;
  readonly payload: string;
  /** The number of deliveries, as the hub reported it. */
  readonly delivery: number;
  /** The number of the hub's life, as the test counts them. */
  readonly life: number;
  /** The times of the request and of the delivery, in milliseconds of this process's clock. */
  readonly askedMs: number;
  readonly gotMs: number;
  /** The time at which its release or acknowledgement began; Infinity for never. */
  settledMs: number;
  /** The hub has confirmed that it is done. */
  isDone: boolean;
  /** The hub has reported that the lease had expired, or never existed. */
  isNotHeld: boolean;
  /** Its acknowledgement had no answer, or an error. The hub may be done, and sends it no more. */
  isUncertain: boolean;
}

export interface WorkerOptions {
  readonly hub: string;
  readonly subscription: string;
  readonly count: number;
  readonly leaseSeconds: number;
  readonly life: () => number;
  /** Its action for an event. `lose` is a worker that dies during the event. */
  readonly decide: (leased: Leased) => 'ack' | 'nack' | 'lose';
}

const RETRY_DELAY_MS = 10;

/**
 * A worker that pulls, handles events, and reconnects, through lost connections and restarts of the
 * hub.
 */
export class Worker {
  readonly deliveries: Delivery[] = [];
  readonly errors: string[] = [];
  readonly #options: WorkerOptions;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    const { count, leaseSeconds, life } = this.#options;
    while (!this.#stopped) {
      const askedMs = performance.now();
      const requestedLife = life();
      const reply = await this.#request('pull', { count, leaseSeconds, waitSeconds: 1 });
      const gotMs = performance.now();
      if (reply?.status !== 200) await pause(RETRY_DELAY_MS);
      else
        await this.#work(reply.json<{ events: readonly Leased[] }>().events, { life: requestedLife, askedMs, gotMs });
    }
  }

  async #work(events: readonly Leased[], when: Pick<Delivery, 'life' | 'askedMs' | 'gotMs'>): Promise<void> {
    const deliveries = events.map(({ delivery, event: { id, channel, data } }): Delivery => {
      return {
        id,
        channel,
        payload: data,
        delivery,
        ...when,
        settledMs: Infinity,
        isDone: false,
        isNotHeld: false,
        isUncertain: false,
      };
    });
    this.deliveries.push(...deliveries);
    for (const action of ['ack', 'nack'] as const) {
      const mine = events.flatMap((leased, index) => (this.#options.decide(leased) === action ? [index] : []));
      if (mine.length === 0) continue;
      for (const index of mine) (deliveries[index] as Delivery).settledMs = performance.now();
      const leases = mine.map((index) => (events[index] as Leased).lease);
      const reply = await this.#request(action, { leases });
      if (action === 'nack') continue;
      if (reply?.status !== 200) {
        for (const index of mine) (deliveries[index] as Delivery).isUncertain = true;
        continue;
      }
      const { notHeld } = reply.json<{ notHeld: readonly string[] }>();
      for (const [at, index] of mine.entries()) {
        const delivery = deliveries[index] as Delivery;
        delivery.isNotHeld = notHeld.includes(leases[at] as string);
        delivery.isDone = !delivery.isNotHeld;
      }
    }
  }

  /** `undefined` if there was no answer. */
  async #request(action: string, body: object): Promise<Reply | undefined> {
    const { hub, subscription } = this.#options;
    const reply = await call(`${hub}/v1/subscriptions/${subscription}/${action}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      agent: this.#agent,
    }).catch(() => undefined);
    if (reply !== undefined && ![200, 503].includes(reply.status))
      this.errors.push(`${action}: ${reply.status} ${reply.text}`);
    return reply;
  }
}
