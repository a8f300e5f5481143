// The memory that a Node server holds after a garbage collection, which its debugger can request.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PinnedProcess } from './processes.ts';

export interface CollectedMemory {
  /** On V8's heap and in its buffers. */
  readonly liveBytes: number;
  /** All memory that the kernel counts for the process, with its proportion of shared pages. */
  readonly proportionalBytes: number;
}

const announced = /Debugger listening on (ws:\S+)/;
const waitMs = 50;
/** Objects that a finalizer releases are collected by the next collection. */
const collections = 3;

/**
 * Arguments of Node that open its debugger, on the loopback. A hub ignores the signal that would
 * open it later.
 */
export const withDebugger: readonly string[] = ['--inspect=127.0.0.1:0'];

/** Collects the garbage of a Node process that was started `withDebugger`, and of its threads. */
export async function collectedMemory(server: PinnedProcess): Promise<CollectedMemory> {
  const inspector = await Inspector.open(debuggerOf(server));
  for (let count = 0; count < collections; count++) {
    await inspector.collectGarbage();
    await sleep(waitMs);
  }
  const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
  const { result } = (await inspector.ask('Runtime.evaluate', { expression })) as { result: { value: number } };
  inspector.close();
  return { liveBytes: result.value, proportionalBytes: proportionalBytesOf(server.pid) };
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string };
  readonly result?: unknown;
}

/** A session with a debugger, and with those of the threads. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #threads: string[] = [];
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as Answer));
  }

  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.addEventListener('open', resolve));
    const inspector = new Inspector(socket);
    // The answer comes after the names of all threads that run.
    await inspector.ask('NodeWorker.enable', { waitForDebuggerOnStart: false });
    return inspector;
  }

  ask(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#asked;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** A thread collects in its own time, before its next message. */
  async collectGarbage(): Promise<void> {
    const method = 'HeapProfiler.collectGarbage';
    const message = JSON.stringify({ id: 1, method });
    for (const sessionId of this.#threads) await this.ask('NodeWorker.sendMessageToWorker', { sessionId, message });
    await this.ask(method);
  }

  close(): void {
    this.#socket.close();
  }

  #receive({ id, method, params, result }: Answer): void {
    if (id !== undefined) this.#waiting.get(id)?.(result);
    else if (method === 'NodeWorker.attachedToWorker' && params !== undefined) this.#threads.push(params.sessionId);
  }
}

function debuggerOf(server: PinnedProcess): string {
  const [, url] = announced.exec(server.output()) ?? [];
  if (url === undefined) throw new Error(`the server opened no debugger: ${server.output()}`);
  return url;
}

function proportionalBytesOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}
