import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AnswerWith, createReceiver, type PolycastEvent } from '@polycast/client/webhooks';
import { nowMs, type ReceiverFault, type WireRecord } from './records.ts';

/** How long a busy receiver takes for one event. */
const BUSY_MS = 3000;

/**
 * A small site that receives webhooks, on its own port on 127.0.0.1. It checks signatures as a
 * customer's site would, and reports each event. It can be busy or failing for a while. Its wire
 * simulates a receiver that is down.
 */
export class Receiver {
  /** The subscription's signing secret. It is created with the process. */
  readonly secret: string = `whsec_${randomBytes(32).toString('base64')}`;
  readonly #server: Server;
  readonly #onRecord: (record: WireRecord) => void;
  readonly #faults = new Map<ReceiverFault, NodeJS.Timeout>();
  /** Delayed answers. */
  readonly #waiting = new Set<() => void>();

  private constructor(onRecord: (record: WireRecord) => void) {
    this.#onRecord = onRecord;
    const receiver = createReceiver({ secrets: this.secret, onError: () => undefined }, (event) =>
      this.#onEvent(event),
    );
    this.#server = createServer((request, response) => void receiver.node(request, response));
  }

  static async open(onRecord: (record: WireRecord) => void): Promise<Receiver> {
    const receiver = new Receiver(onRecord);
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Starts a fault for `durationMs`. The same fault again restarts its time. */
  breakFor(fault: ReceiverFault, durationMs: number): void {
    clearTimeout(this.#faults.get(fault));
    this.#faults.set(fault, setTimeout(() => this.heal(fault), durationMs).unref());
    const atMs = nowMs();
    this.#onRecord({ kind: 'fault', lane: 'webhook', fault, atMs, untilMs: atMs + durationMs });
  }

  heal(fault: ReceiverFault): void {
    const timer = this.#faults.get(fault);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#faults.delete(fault);
    this.#onRecord({ kind: 'healed', lane: 'webhook', fault, atMs: nowMs() });
    if (fault === 'busy') this.#endDelays();
  }

  async close(): Promise<void> {
    for (const timer of this.#faults.values()) clearTimeout(timer);
    this.#faults.clear();
    this.#endDelays();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #onEvent({ channel, type, data }: PolycastEvent): Promise<void> {
    if (this.#faults.has('busy')) await this.#delay();
    if (this.#faults.has('failing')) throw new AnswerWith(500);
    this.#onRecord({ kind: 'received', lane: 'webhook', channel, type, data, atMs: nowMs() });
  }

  /** Waits until the time is over, or the receiver is no longer busy. */
  #delay(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, BUSY_MS);
    this.#waiting.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    });
  }

  #endDelays(): void {
    for (const finish of this.#waiting) finish();
  }
}
