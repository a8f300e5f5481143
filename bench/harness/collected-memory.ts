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
const waitsMax = 200;
/** Objects that a finalizer releases are collected by the next collection. */
const collections = 3;

/** Collects the garbage of a Node process. The first call opens its debugger, on the loopback. */
export async function collectedMemory(server: PinnedProcess): Promise<CollectedMemory> {
  const socket = new WebSocket(await debuggerOf(server));
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

/** It is announced once. */
const debuggers = new WeakMap<PinnedProcess, string>();

async function debuggerOf(server: PinnedProcess): Promise<string> {
  const cached = debuggers.get(server);
  if (cached !== undefined) return cached;
  let printed = '';
  server.child.stderr?.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  process.kill(server.pid, 'SIGUSR1');
  for (let waits = 0; waits < waitsMax; waits++) {
    const url = announced.exec(printed)?.[1];
    if (url !== undefined) {
      debuggers.set(server, url);
      return url;
    }
    await sleep(waitMs);
  }
  throw new Error(`the server opened no debugger: ${server.output()}`);
}

function proportionalBytesOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}
