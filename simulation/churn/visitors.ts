import { get } from 'node:http';
import { WebSocket } from 'ws';
import { tokenOf } from './tokens.ts';

/** Users who connect once, with one transport after the other, and never return. */
export class Visitors {
  readonly #base: string;
  readonly #random: () => number;
  readonly #active = new Set<() => void>();
  count = 0;
  /** The number of refused visitors, which must be 0. */
  refused = 0;

  constructor(base: string, random: () => number) {
    this.#base = base;
    this.#random = random;
  }

  get present(): number {
    return this.#active.size;
  }

  /** A visitor connects, and disconnects after a while. */
  visit(stayMs: number): void {
    const number = this.count++;
    const user = `user-${number}-${'x'.repeat(number % 40)}`;
    const query = `channel=@me&channel=room.${number % 300}&channel=once.${number}.*&token=${tokenOf(user)}`;
    const leave = [this.#stream, this.#webSocket, this.#poll][number % 3]?.call(this, query);
    if (leave === undefined) return;
    const end = (): void => {
      this.#active.delete(end);
      clearTimeout(timer);
      leave();
    };
    const timer = setTimeout(end, stayMs * (0.2 + this.#random() * 1.6));
    this.#active.add(end);
  }

  close(): void {
    for (const end of this.#active) end();
  }

  #stream(query: string): () => void {
    const request = get(
      `${this.#base}/v1/events?${query}`,
      { headers: { accept: 'text/event-stream' } },
      (response) => {
        if (response.statusCode !== 200) this.refused++;
        response.resume();
      },
    );
    request.on('error', () => undefined);
    return () => request.destroy();
  }

  #webSocket(query: string): () => void {
    const socket = new WebSocket(`${this.#base.replace('http', 'ws')}/v1/events?${query}`);
    socket.on('unexpected-response', () => this.refused++);
    socket.on('error', () => undefined);
    return () => socket.terminate();
  }

  #poll(query: string): () => void {
    const request = get(`${this.#base}/v1/events?${query}&wait=30`, (response) => {
      if (response.statusCode !== 200) this.refused++;
      response.resume();
    });
    request.on('error', () => undefined);
    return () => request.destroy();
  }
}
