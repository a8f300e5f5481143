import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { CloseCause, Direction, LaneName, WireRecord } from './records.ts';
import { nowMs } from './records.ts';

/** The `slow` fault: about as slow as a phone at the edge of its network. */
const SLOW_LATENCY_MS = 350;
const SLOW_BYTES_PER_SECOND = 2_000;

interface ConnectionOptions {
  readonly lane: LaneName;
  /** A paused socket that allows half-open connections. */
  readonly client: Socket;
  readonly hubPort: number;
  readonly onRecord: (record: WireRecord) => void;
  readonly onClose: () => void;
}

/** A chunk that was read and is not yet written, because the wire is slow or stalled. */
interface InFlight {
  readonly write: () => void;
  timer: NodeJS.Timeout | undefined;
}

let connectionsOpened = 0;

/**
 * The two sockets of a proxied connection. It buffers one chunk (64 KiB) for each direction, and
 * reads on after that is written.
 */
export class WireConnection {
  readonly #id = ++connectionsOpened;
  readonly #options: ConnectionOptions;
  readonly #client: Socket;
  readonly #hub: Socket;
  readonly #inFlight = new Map<Socket, InFlight>();
  #stalled = false;
  #slow = false;
  #isHubConnected = false;
  #firstToEnd: CloseCause | undefined;
  #finished = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#hub = connect({ port: options.hubPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.#pump(this.#client, this.#hub, 'up');
    this.#pump(this.#hub, this.#client, 'down');
    this.#hub.pause();
    this.#hub.once('connect', () => {
      this.#isHubConnected = true;
      this.#options.onRecord({ kind: 'open', lane: this.#options.lane, connection: this.#id, atMs: nowMs() });
      this.#resumeReading(this.#client);
      this.#resumeReading(this.#hub);
    });
  }

  /** Resets both sides, as after a pulled cable when the next byte finds no peer. */
  cut(): void {
    this.#reset('cut');
  }

  setStalled(stalled: boolean): void {
    this.#stalled = stalled;
    for (const source of [this.#client, this.#hub]) {
      const inFlight = this.#inFlight.get(source);
      if (stalled) source.pause();
      else if (inFlight === undefined) this.#resumeReading(source);
      else if (inFlight.timer === undefined) inFlight.write();
    }
  }

  /** Sets or ends the `slow` fault, for chunks that arrive from now on. */
  setSlow(slow: boolean): void {
    this.#slow = slow;
  }

  #pump(source: Socket, sink: Socket, direction: Direction): void {
    const cause: CloseCause = direction === 'up' ? 'client' : 'hub';
    source.on('data', (chunk: Buffer) => this.#pass(source, sink, direction, chunk));
    source.on('end', () => {
      this.#firstToEnd ??= cause;
      sink.end();
    });
    source.on('error', () => this.#reset(cause));
    source.on('close', () => {
      if (sink.destroyed) this.#finish(this.#firstToEnd ?? cause);
    });
  }

  #pass(source: Socket, sink: Socket, direction: Direction, chunk: Buffer): void {
    source.pause();
    const inFlight: InFlight = {
      timer: undefined,
      write: () => {
        inFlight.timer = undefined;
        if (this.#stalled || sink.destroyed) return;
        this.#inFlight.delete(source);
        this.#write(source, sink, direction, chunk);
      },
    };
    this.#inFlight.set(source, inFlight);
    if (!this.#slow) inFlight.write();
    else inFlight.timer = setTimeout(inFlight.write, SLOW_LATENCY_MS + (chunk.length / SLOW_BYTES_PER_SECOND) * 1000);
  }

  #write(source: Socket, sink: Socket, direction: Direction, chunk: Buffer): void {
    const { lane, onRecord } = this.#options;
    onRecord({ kind: 'bytes', lane, connection: this.#id, direction, atMs: nowMs(), bytes: chunk.toString('latin1') });
    if (sink.write(chunk)) this.#resumeReading(source);
    else sink.once('drain', () => this.#resumeReading(source));
  }

  #resumeReading(source: Socket): void {
    if (this.#isHubConnected && !this.#stalled && !this.#inFlight.has(source)) source.resume();
  }

  #reset(by: CloseCause): void {
    this.#finish(by);
    if (!this.#client.destroyed) resetConnection(this.#client);
    if (!this.#hub.destroyed) resetConnection(this.#hub);
  }

  #finish(by: CloseCause): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const { timer } of this.#inFlight.values()) clearTimeout(timer);
    const { lane, onRecord, onClose } = this.#options;
    if (this.#isHubConnected) onRecord({ kind: 'close', lane, connection: this.#id, atMs: nowMs(), by });
    else onRecord({ kind: 'refused', lane, atMs: nowMs(), by });
    onClose();
  }
}

/**
 * Resets a connection: its peer sees `ECONNRESET`. One that is not open yet, or whose end is on its
 * way, is closed only.
 */
export function resetConnection(socket: Socket): void {
  // Node cannot reset during an end, and loses the socket then: its descriptor stays open, and the
  // process spins at its end.
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (socket.connecting || isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
