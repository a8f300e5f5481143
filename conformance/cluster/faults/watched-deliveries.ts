import assert from 'node:assert/strict';
import { doneBy, doneIn, leasedEarly, mismatched, publishedBy, sentEarly } from '../../kit/clients/delivery-checks.ts';
import { Endpoint } from '../../kit/clients/endpoint.ts';
import type { Publisher } from '../../kit/clients/publishers.ts';
import { Worker } from '../../kit/clients/workers.ts';
import { call } from '../../kit/http.ts';
import { BACKLOG_TIMEOUT_MS, pause, until } from '../../kit/wait.ts';

const HOOK = '/hook';
const LEASE_SECONDS = 20;

/**
 * A webhook and a queue of a cluster under faults. At the end each has every event, in the order
 * of its channel.
 */
export class WatchedDeliveries {
  /** Counts what may change the hub that works, for `leasedEarly`. */
  life = 0;
  readonly #urls: readonly string[];
  readonly #channels: readonly string[];
  readonly #endpoint: Endpoint;
  readonly #publishers: readonly Publisher[];
  #workers: readonly Worker[] = [];
  /** The newest event that was confirmed before both existed. */
  #after = '';
  readonly #created: Promise<void>;
  #isStopped = false;

  static async start(
    urls: readonly string[],
    channels: readonly string[],
    publishers: readonly Publisher[],
  ): Promise<WatchedDeliveries> {
    return new WatchedDeliveries(urls, channels, publishers, await Endpoint.open(() => 204));
  }

  private constructor(
    urls: readonly string[],
    channels: readonly string[],
    publishers: readonly Publisher[],
    endpoint: Endpoint,
  ) {
    this.#urls = urls;
    this.#channels = channels;
    this.#publishers = publishers;
    this.#endpoint = endpoint;
    this.#created = this.#create();
    // A run that fails for another reason does not wait for it.
    this.#created.catch(() => undefined);
  }

  /** The publishers have stopped. */
  async expectAll(): Promise<void> {
    await this.#created;
    const published = new Map([...publishedBy(this.#publishers)].filter(([id]) => id > this.#after));
    assert.notEqual(published.size, 0);
    let missing: readonly string[] = [];
    const isDone = async (): Promise<boolean> => {
      await pause(100);
      const [hooked, pulled] = [doneIn(this.#endpoint.received, HOOK), doneBy(this.#workers)];
      missing = [...published.keys()].filter((id) => !hooked.has(id) || !pulled.has(id));
      return missing.length === 0;
    };
    await until('all is delivered', isDone, BACKLOG_TIMEOUT_MS).catch((error: unknown) => {
      const count = `${missing.length} of ${published.size} missing, the first is ${missing[0]}`;
      throw new Error(`${(error as Error).message}: ${count}`);
    });
    // A worker does not know of an acknowledgement whose answer was lost. The hub does.
    await until('the queue is done', () => this.#isQueueDone(), BACKLOG_TIMEOUT_MS);
    await this.stop();
    const deliveries = this.#workers.flatMap((worker) => worker.deliveries);
    assert.deepEqual(mismatched([...this.#endpoint.received, ...deliveries], published), []);
    assert.deepEqual(sentEarly(this.#endpoint.received), []);
    assert.deepEqual(leasedEarly(deliveries), []);
    assert.deepEqual(
      this.#workers.flatMap(({ errors }) => errors),
      [],
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    this.#endpoint.close();
  }

  async #create(): Promise<void> {
    const retryDelaysSeconds = Array.from({ length: 30 }, () => 1);
    await this.#subscribe({ kind: 'webhook', url: `${this.#endpoint.url}${HOOK}`, retryDelaysSeconds });
    const subscription = await this.#subscribe({ kind: 'pull', leaseSeconds: LEASE_SECONDS });
    await this.#isAtEveryHub('pull');
    if (this.#isStopped) return;
    const ids = this.#publishers.flatMap(({ acknowledged }) => acknowledged.map(({ id }) => id));
    this.#after = ids.toSorted().at(-1) ?? '';
    const options = { subscription, count: 20, leaseSeconds: LEASE_SECONDS, life: () => this.life };
    this.#workers = this.#urls.map((hub) => new Worker({ hub, ...options, decide: () => 'ack' }));
  }

  /** Returns the id. Repeats the request while hubs of an earlier version run. */
  async #subscribe(delivery: { readonly kind: string; readonly [field: string]: unknown }): Promise<string> {
    const request = {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ channels: this.#channels, ordering: 'per-channel', delivery }),
    };
    for (let attempt = 0; !this.#isStopped; attempt++) {
      const hub = this.#urls[attempt % this.#urls.length] as string;
      const reply = await call(`${hub}/v1/subscriptions/${delivery.kind}`, request).catch(() => undefined);
      if (reply?.status === 200 || reply?.status === 201) return reply.json<{ id: string }>().id;
      if (reply !== undefined && reply.status < 500) throw new Error(`Not created: ${reply.status} ${reply.text}`);
      await pause(100);
    }
    return '';
  }

  /** A hub can hear those of an earlier version for a moment longer than the others. */
  async #isAtEveryHub(name: string): Promise<void> {
    for (const url of this.#urls)
      while (!this.#isStopped) {
        const reply = await call(`${url}/v1/subscriptions/${name}`).catch(() => undefined);
        if (reply?.status === 200) break;
        await pause(100);
      }
  }

  async #isQueueDone(): Promise<boolean> {
    await pause(100);
    const reply = await call(`${this.#urls[0]}/v1/subscriptions/pull`).catch(() => undefined);
    return reply?.status === 200 && reply.json<{ backlog: { lagEvents: number } }>().backlog.lagEvents === 0;
  }
}
