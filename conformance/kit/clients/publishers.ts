import * as http from 'node:http';
import { call } from '../http.ts';
import { pause } from '../wait.ts';

/** An acknowledged publish: its payload and its id. */
export interface Acknowledged {
  readonly id: string;
  readonly payload: string;
}

/** `once`: single events without an idempotency key, so none is sent again. */
export type PublishStyle = 'single' | 'once' | 'array' | 'lines';

const RETRY_DELAY_MS = 10;

/**
 * A publisher that retries each event until it is acknowledged, with the same idempotency key,
 * through lost connections and restarts of the hub. With the style `once` it does not retry.
 */
export class Publisher {
  readonly acknowledged: Acknowledged[] = [];
  readonly errors: string[] = [];
  retries = 0;
  /** What became of the newest request. Example: `503 log_unavailable`. */
  #newest = 'not sent';
  #sentMs = 0;
  readonly #hub: string;
  readonly #name: string;
  readonly #channels: readonly string[];
  readonly #style: PublishStyle;
  readonly #pauseMs: number;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #count = 0;
  #stopped = false;
  #abandoned = false;
  readonly #running: Promise<void>;

  /** @param pauseMs before each request that is not a retry */
  constructor(hub: string, name: string, channels: readonly string[], style: PublishStyle, pauseMs = 0) {
    this.#hub = hub;
    this.#name = name;
    this.#channels = channels;
    this.#style = style;
    this.#pauseMs = pauseMs;
    this.#running = this.#run();
  }

  /** For the message of a failure: `p1: 12 confirmed, newest after 3 s: 503 log_unavailable`. */
  get progress(): string {
    const seconds = Math.round((performance.now() - this.#sentMs) / 1000);
    return `${this.#name}: ${this.acknowledged.length} confirmed, newest after ${seconds} s: ${this.#newest}`;
  }

  /** Finishes the publish in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  /** Ends without the publish in flight, as after a failure. */
  abandon(): void {
    this.#stopped = true;
    this.#abandoned = true;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#pauseMs > 0) await pause(this.#pauseMs);
      const isSingle = this.#style === 'single' || this.#style === 'once';
      const events = Array.from({ length: isSingle ? 1 : 5 }, () => this.#next());
      if (this.#style === 'once') {
        if (!(await this.#publish(events))) await pause(RETRY_DELAY_MS);
        continue;
      }
      while (!(await this.#publish(events)) && !this.#abandoned) {
        this.retries++;
        await pause(RETRY_DELAY_MS);
      }
    }
  }

  #next(): Event {
    const n = this.#count++;
    const payload = `${this.#name}-${n}`;
    const channel = this.#channels[n % this.#channels.length] as string;
    return { channel, data: payload, ...(this.#style !== 'once' && { idempotencyKey: payload }) };
  }

  /** Whether all events were acknowledged. Each acknowledgement is recorded once. */
  async #publish(events: readonly Event[]): Promise<boolean> {
    const { mediaType, body } = BODIES[this.#style](events);
    const headers = { 'Content-Type': mediaType };
    this.#sentMs = performance.now();
    this.#newest = 'no answer';
    const reply = await call(`${this.#hub}/v1/events`, { method: 'POST', headers, body, agent: this.#agent }).catch(
      (error: Error) => void (this.#newest = error.message),
    );
    if (reply !== undefined) this.#newest = `${reply.status} ${reply.text.slice(0, 200)}`;
    if (reply === undefined || reply.status === 503) return false;
    if (reply.status >= 300) return this.#reportError(`${reply.status} ${reply.text}`);
    const results = resultsOf(reply.text, this.#style);
    if (results.length !== events.length || results.some(({ id }) => id === undefined)) return false;
    for (const [index, { id }] of results.entries())
      this.acknowledged.push({ id: id as string, payload: (events[index] as Event).data });
    return true;
  }

  #reportError(what: string): true {
    this.errors.push(what);
    return true;
  }
}

interface Event {
  readonly channel: string;
  readonly data: string;
  readonly idempotencyKey?: string;
}

const BODIES: Readonly<Record<PublishStyle, (events: readonly Event[]) => { mediaType: string; body: string }>> = {
  single: ([event]) => ({ mediaType: 'application/json', body: JSON.stringify(event) }),
  once: ([event]) => ({ mediaType: 'application/json', body: JSON.stringify(event) }),
  array: (events) => ({ mediaType: 'application/json', body: JSON.stringify(events) }),
  lines: (events) => ({
    mediaType: 'application/x-ndjson',
    body: events.map((event) => JSON.stringify(event)).join('\n'),
  }),
};

function resultsOf(text: string, style: PublishStyle): readonly { readonly id?: string }[] {
  if (style === 'array') return JSON.parse(text) as readonly { id?: string }[];
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id?: string });
}
