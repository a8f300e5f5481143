import type { TransportName } from './services.ts';

/** A live client, as the drain sees it. */
export interface Drainable {
  readonly transport: TransportName;
  /** Its place in the registry; the registry's own note. */
  registryIndex: number;
  /** Tells the client to go and come back elsewhere after so long, and ends the session. */
  drain(reconnectInMs: number): void;
  /** Ends the session at once, without a word. */
  destroy(): void;
}

/** All live sessions; joining and leaving cost O(1). */
export class Sessions {
  readonly #all: Drainable[] = [];
  readonly #count: Record<TransportName, number> = { poll: 0, long_poll: 0, sse: 0, websocket: 0 };

  get size(): number {
    return this.#all.length;
  }

  count(transport: TransportName): number {
    return this.#count[transport];
  }

  add(session: Drainable): void {
    session.registryIndex = this.#all.length;
    this.#all.push(session);
    this.#count[session.transport]++;
  }

  remove(session: Drainable): void {
    const index = session.registryIndex;
    if (this.#all[index] !== session) return;
    const last = this.#all[this.#all.length - 1] as Drainable;
    this.#all[index] = last;
    last.registryIndex = index;
    this.#all.pop();
    session.registryIndex = -1;
    this.#count[session.transport]--;
  }

  /** Each of those that live now, once, skipping those that leave in the meantime. */
  *each(): Generator<Drainable> {
    for (const session of this.#all.slice()) if (session.registryIndex >= 0) yield session;
  }
}
