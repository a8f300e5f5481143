import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Held } from '../core/byte-budget.ts';
import { countedAs } from '../core/counted-address.ts';
import type { Timed, Wheel } from '../core/wheel.ts';
import { addressOf } from './client-address.ts';
import type { Services } from './services.ts';

/**
 * Answers that their clients have not taken yet: they are held until the socket takes them, for as long as the client likes. Together
 * they are bounded in bytes: beyond it the client that holds the most loses its oldest, and with it the connection, and asks again. One
 * that has not been taken after the time of a stalled reader goes as well.
 */
export class UnreadAnswers implements Held, Timed {
  readonly bytesMax: number;
  readonly #services: UnreadParts;
  readonly #wheel: Wheel;
  readonly #stalledTicks: number;
  /** The oldest first. */
  readonly #all = new Map<ServerResponse, Unread>();
  readonly #byClient = new Map<string, Set<ServerResponse>>();
  readonly #bytesOfClient = new Map<string, number>();
  #bytes = 0;
  #refused = 0;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(services: UnreadParts, bytesMax: number) {
    this.bytesMax = bytesMax;
    this.#services = services;
    this.#wheel = services.wheel;
    this.#stalledTicks = services.settings.session.stalledTicks;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Watches over the answers of a connection, which say themselves when they have been given: `noteGiven`. */
  of(socket: Duplex): void {
    (socket as Watched)[ANSWERS] = this;
  }

  /** An answer has been handed over. Most have left by now, and cost nothing here. */
  given(response: ServerResponse, bytes: number): void {
    if (response.writableFinished || response.destroyed) return;
    const client = countedAs(addressOf(this.#services, response.req));
    if (this.#all.size === 0) this.#wheel.schedule(this, this.#stalledTicks);
    this.#all.set(response, { bytes, client, sinceTick: this.#wheel.tick });
    const ofClient = this.#byClient.get(client);
    if (ofClient === undefined) this.#byClient.set(client, new Set([response]));
    else ofClient.add(response);
    this.#count(client, bytes);
    const taken = (): void => this.#forget(response);
    response.once('finish', taken).once('close', taken);
    while (this.#bytes > this.bytesMax && this.#all.size > 1) this.#cutOff(this.#oldestOfLargest());
  }

  /** Looks for those that nobody takes. */
  due(): void {
    let nextTick = 0;
    for (const [response, { sinceTick }] of this.#all) {
      nextTick = sinceTick + this.#stalledTicks;
      if (nextTick > this.#wheel.tick) break;
      this.#services.figures.stalled++;
      this.#cutOff(response);
    }
    if (this.#all.size > 0) this.#wheel.schedule(this, Math.max(1, nextTick - this.#wheel.tick));
  }

  #cutOff(response: ServerResponse): void {
    this.#refused++;
    this.#forget(response);
    response.destroy();
  }

  #oldestOfLargest(): ServerResponse {
    let largest = '';
    let most = -1;
    for (const [client, bytes] of this.#bytesOfClient) if (bytes > most) [largest, most] = [client, bytes];
    const [oldest] = this.#byClient.get(largest) as Set<ServerResponse>;
    return oldest as ServerResponse;
  }

  #forget(response: ServerResponse): void {
    const unread = this.#all.get(response);
    if (unread === undefined) return;
    const { client, bytes } = unread;
    this.#all.delete(response);
    const ofClient = this.#byClient.get(client);
    ofClient?.delete(response);
    if (ofClient?.size === 0) this.#byClient.delete(client);
    this.#count(client, -bytes);
  }

  #count(client: string, change: number): void {
    this.#bytes += change;
    const bytes = (this.#bytesOfClient.get(client) ?? 0) + change;
    if (bytes > 0) this.#bytesOfClient.set(client, bytes);
    else this.#bytesOfClient.delete(client);
  }
}

type UnreadParts = Pick<Services, 'proxies' | 'wheel' | 'settings' | 'figures'>;

interface Unread {
  readonly bytes: number;
  readonly client: string;
  readonly sinceTick: number;
}

/** An answer of so many bytes has been handed to its connection. */
export function noteGiven(response: ServerResponse, bytes: number): void {
  if (bytes >= WATCHED_BYTES_MIN) (response.req.socket as Watched)[ANSWERS]?.given(response, bytes);
}

/** A connection has one or two answers that are no longer than this, beside what Node buffers of its requests. */
const WATCHED_BYTES_MIN = 1024;
const ANSWERS: unique symbol = Symbol('answers');

interface Watched extends Duplex {
  [ANSWERS]?: UnreadAnswers;
}
