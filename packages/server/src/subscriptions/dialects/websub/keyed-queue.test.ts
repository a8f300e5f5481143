import { describe, expect, it } from 'vitest';
import { KeyedQueue } from './keyed-queue.ts';

/** Tasks that the test ends. */
class Bench {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  piece(name: string): () => Promise<void> {
    return () => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.set(name, resolve));
    };
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a task with a name', () => {
  it('is run with a bounded number of others, and the rest waits in order', async () => {
    const bench = new Bench();
    const work = new KeyedQueue({ concurrentMax: 2, waitingMax: 10, waitingBytesMax: 100_000 });
    for (const name of ['a', 'b', 'c']) expect(work.add(name, 0, bench.piece(name))).toBe(true);
    expect(bench.begun).toEqual(['a', 'b']);
    await bench.end('b');
    expect(bench.begun).toEqual(['a', 'b', 'c']);
  });

  it('runs alone among those of its name, and only the newest of those waiting is kept', async () => {
    const bench = new Bench();
    const work = new KeyedQueue({ concurrentMax: 2, waitingMax: 10, waitingBytesMax: 100_000 });
    for (const piece of ['a1', 'a2', 'a3']) work.add('a', 0, bench.piece(piece));
    work.add('b', 0, bench.piece('b'));
    expect(bench.begun).toEqual(['a1', 'b']);
    await bench.end('a1');
    expect(bench.begun).toEqual(['a1', 'b', 'a3']);
  });

  it('is refused when too many wait, unless it replaces one', () => {
    const bench = new Bench();
    const work = new KeyedQueue({ concurrentMax: 1, waitingMax: 1, waitingBytesMax: 100_000 });
    expect([work.add('a', 0, bench.piece('a')), work.add('b', 0, bench.piece('b'))]).toEqual([true, true]);
    expect([work.add('c', 0, bench.piece('c')), work.add('b', 0, bench.piece('b2'))]).toEqual([false, true]);
  });

  it('is refused when the waiting ones take too many bytes, until some of them begin', async () => {
    const bench = new Bench();
    const work = new KeyedQueue({ concurrentMax: 1, waitingMax: 100, waitingBytesMax: 10_000 });
    const add = (name: string, bytes: number): boolean => work.add(name, bytes, bench.piece(name));
    expect([add('a', 50_000), add('b', 50_000)]).toEqual([false, false]);
    expect([add('a', 0), add('b', 4000), add('c', 4000), add('d', 4000)]).toEqual([true, true, true, false]);
    // A task replaces a waiting one of its name, if there is room for the additional bytes.
    expect([add('c', 1000), add('d', 3000), add('c', 9000), add('c', 500)]).toEqual([true, true, false, true]);
    expect(work.bytes).toBeLessThanOrEqual(work.bytesMax);
    expect(work.refused).toBe(4);
    for (const name of ['a', 'b', 'c', 'd']) await bench.end(name);
    expect([bench.begun, work.bytes]).toEqual([['a', 'b', 'c', 'd'], 0]);
  });

  it('the queue closes when the running ones have ended', async () => {
    const bench = new Bench();
    const work = new KeyedQueue({ concurrentMax: 1, waitingMax: 10, waitingBytesMax: 100_000 });
    work.add('a', 0, bench.piece('a'));
    work.add('b', 0, bench.piece('b'));
    let isClosed = false;
    const closing = work.close().then(() => (isClosed = true));
    expect(work.add('c', 0, bench.piece('c'))).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    await bench.end('a');
    await closing;
    expect(bench.begun).toEqual(['a']);
  });
});
