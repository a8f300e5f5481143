import { Follower, TRANSPORTS } from './followers.ts';
import { publish } from '../http.ts';
import { pause, until } from '../wait.ts';
import * as http from 'node:http';
import * as https from 'node:https';

const PUBLISH_INTERVAL_MS = 20;

/**
 * Well-behaved clients, to run beside others: a publisher, and a reader on each transport. At the
 * end they report lost events and delays.
 */
export class Canary {
  readonly #hub: string;
  readonly #agent: http.Agent;
  readonly #followers: readonly Follower[];
  readonly #ids: string[] = [];
  readonly #errors: string[] = [];
  #slowestMs = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(hub: string) {
    this.#hub = hub;
    const { Agent } = hub.startsWith('https:') ? https : http;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    this.#followers = TRANSPORTS.map(
      (transport) => new Follower(hub, transport, { channels: ['canary'], after: 'earliest' }),
    );
    this.#running = this.#publishUntilStopped();
  }

  /**
   * Stops, and waits until every reader has every event. Returns the errors, and the longest
   * duration of a publish in milliseconds.
   */
  async stop(): Promise<{ readonly errors: readonly string[]; readonly slowestMs: number }> {
    this.#stopped = true;
    await this.#running;
    const last = this.#ids.at(-1);
    const arrived = until('the canary hears its last event', () =>
      this.#followers.every(({ received }) => received.at(-1)?.id === last),
    );
    await arrived.catch((error: unknown) => this.#errors.push(String(error)));
    await Promise.all(this.#followers.map((follower) => follower.stop()));
    this.#agent.destroy();
    for (const [index, { received, gaps, errors, endings }] of this.#followers.entries()) {
      const transport = TRANSPORTS[index];
      const ids = received.map(({ id }) => id);
      if (ids.join() !== this.#ids.join())
        this.#errors.push(`${transport} got ${ids.length} of ${this.#ids.length} events`);
      // A follower's last ending is its own close.
      if (endings.length > 1) this.#errors.push(`${transport} was cut: ${endings.join()}`);
      this.#errors.push(...gaps.map((gap) => JSON.stringify(gap)), ...errors);
    }
    return { errors: this.#errors, slowestMs: this.#slowestMs };
  }

  async #publishUntilStopped(): Promise<void> {
    while (!this.#stopped) {
      const startMs = performance.now();
      await publish(this.#hub, { channel: 'canary', data: this.#ids.length }, this.#agent).then(
        ({ id }) => this.#ids.push(id),
        (error: unknown) => this.#errors.push(String(error)),
      );
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startMs);
      await pause(PUBLISH_INTERVAL_MS);
    }
  }
}
