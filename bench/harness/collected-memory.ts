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

/** Collects the garbage of a Node process that was started `withDebugger`. */
export async function collectedMemory(server: PinnedProcess): Promise<CollectedMemory> {
  const socket = new WebSocket(debuggerOf(server));
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  const ask = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve) => {
      socket.addEventListener('message', ({ data }) => resolve(JSON.parse(String(data))), { once: true });
      socket.send(JSON.stringify({ id: 1, method, params }));
    });
  for (let count = 0; count < collections; count++) {
    await ask('HeapProfiler.collectGarbage');
    await sleep(waitMs);
  }
  const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
  const answer = (await ask('Runtime.evaluate', { expression })) as { result: { result: { value: number } } };
  socket.close();
  return { liveBytes: answer.result.result.value, proportionalBytes: proportionalBytesOf(server.pid) };
}

function debuggerOf(server: PinnedProcess): string {
  const [, url] = announced.exec(server.output()) ?? [];
  if (url === undefined) throw new Error(`the server opened no debugger: ${server.output()}`);
  return url;
}

function proportionalBytesOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}
