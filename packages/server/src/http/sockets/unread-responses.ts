import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { addressKey } from '../../core/primitives/address-key.ts';
import type { WheelTimer, TimingWheel } from '../../core/primitives/timing-wheel.ts';
import { clientAddress, type TrustedProxies } from '../client-address.ts';

/**
 * Responses that their clients have not read yet. The hub holds them until the socket takes them,
 * and bounds their bytes in total. Beyond the bound the client with the most bytes loses its oldest
 * response and that connection, and has to ask again. A response that is unread after the time of a
 * stalled reader is dropped too.
 */
export class UnreadResponses implements MemoryUsage, WheelTimer {
  /** The bound; a lower one applies from the next response on. */
  bytesMax: number;
  readonly #parts: UnreadResponsesParts;
  readonly #wheel: TimingWheel;
  readonly #stalledTicks: number;
  /** The oldest first. */
  readonly #responses = new Map<ServerResponse, UnreadResponse>();
  readonly #byClient = new Map<string, Set<ServerResponse>>();
  readonly #bytesByClient = new Map<string, number>();
  #bytes = 0;
  #refused = 0;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(parts: UnreadResponsesParts, bytesMax: number) {
    this.bytesMax = bytesMax;
    this.#parts = parts;
    this.#wheel = parts.wheel;
    this.#stalledTicks = parts.stalledTicks;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Tracks the responses of a connection, which `trackResponse` reports. */
  watch(socket: Duplex): void {
    (socket as TrackedSocket)[UNREAD_RESPONSES] = this;
  }

  /** Adds a response that was written. Most are already sent and cost nothing here. */
  add(response: ServerResponse, bytes: number): void {
    if (response.writableFinished || response.destroyed) return;
    const client = addressKey(clientAddress(this.#parts, response.req));
    if (this.#responses.size === 0) this.#wheel.schedule(this, this.#stalledTicks);
    this.#responses.set(response, { bytes, client, sinceTick: this.#wheel.tick });
    const ofClient = this.#byClient.get(client);
    if (ofClient === undefined) this.#byClient.set(client, new Set([response]));
    else ofClient.add(response);
    this.#count(client, bytes);
    const onTaken = (): void => this.#remove(response);
    response.once('finish', onTaken).once('close', onTaken);
    while (this.#bytes > this.bytesMax && this.#responses.size > 1) this.#abort(this.#oldestOfLargest());
  }

  /** Drops responses that have been unread for too long. */
  onTimer(): void {
    let nextTick = 0;
    for (const [response, { sinceTick }] of this.#responses) {
      nextTick = sinceTick + this.#stalledTicks;
      if (nextTick > this.#wheel.tick) break;
      this.#parts.stats.stalled++;
      this.#abort(response);
    }
    if (this.#responses.size > 0) this.#wheel.schedule(this, Math.max(1, nextTick - this.#wheel.tick));
  }

  #abort(response: ServerResponse): void {
    this.#refused++;
    this.#remove(response);
    response.destroy();
  }

  #oldestOfLargest(): ServerResponse {
    let largest = '';
    let most = -1;
    for (const [client, bytes] of this.#bytesByClient) if (bytes > most) [largest, most] = [client, bytes];
    const [oldest] = this.#byClient.get(largest) as Set<ServerResponse>;
    return oldest as ServerResponse;
  }

  #remove(response: ServerResponse): void {
    const unread = this.#responses.get(response);
    if (unread === undefined) return;
    const { client, bytes } = unread;
    this.#responses.delete(response);
    const ofClient = this.#byClient.get(client);
    ofClient?.delete(response);
    if (ofClient?.size === 0) this.#byClient.delete(client);
    this.#count(client, -bytes);
  }

  #count(client: string, change: number): void {
    this.#bytes += change;
    const bytes = (this.#bytesByClient.get(client) ?? 0) + change;
    if (bytes > 0) this.#bytesByClient.set(client, bytes);
    else this.#bytesByClient.delete(client);
  }
}

/** The parts that unread responses use. */
export interface UnreadResponsesParts {
  readonly trustedProxies: TrustedProxies;
  readonly wheel: TimingWheel;
  readonly stats: { stalled: number };
  /** The time after which a client that takes no byte of a response has stalled. */
  readonly stalledTicks: number;
}

interface UnreadResponse {
  readonly bytes: number;
  readonly client: string;
  readonly sinceTick: number;
}

/** Reports a response of this many bytes as written to its connection. */
export function trackResponse(response: ServerResponse, bytes: number): void {
  if (bytes >= TRACKED_BYTES_MIN) (response.req.socket as TrackedSocket)[UNREAD_RESPONSES]?.add(response, bytes);
}

/**
 * Shorter responses are not tracked: a connection holds one or two of them, beside Node's buffer of
 * its requests.
 */
const TRACKED_BYTES_MIN = 1024;
const UNREAD_RESPONSES: unique symbol = Symbol('answers');

interface TrackedSocket extends Duplex {
  [UNREAD_RESPONSES]?: UnreadResponses;
}
