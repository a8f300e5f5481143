import { describe, expect, it } from 'vitest';
import { KeyedWork } from './keyed-work.ts';

/** Pieces of work that end when they are told to. */
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

describe('work by name', () => {
  it('is done so much at once, the rest in order', async () => {
    const bench = new Bench();
    const work = new KeyedWork(2, 10);
    for (const name of ['a', 'b', 'c']) expect(work.add(name, bench.piece(name))).toBe(true);
    expect(bench.begun).toEqual(['a', 'b']);
    await bench.end('b');
    expect(bench.begun).toEqual(['a', 'b', 'c']);
  });

  it('of one name is done one at a time, and of what waits only the newest', async () => {
    const bench = new Bench();
    const work = new KeyedWork(2, 10);
    for (const piece of ['a1', 'a2', 'a3']) work.add('a', bench.piece(piece));
    work.add('b', bench.piece('b'));
    expect(bench.begun).toEqual(['a1', 'b']);
    await bench.end('a1');
    expect(bench.begun).toEqual(['a1', 'b', 'a3']);
  });

  it('is refused when too much waits, though not what replaces something', () => {
    const bench = new Bench();
    const work = new KeyedWork(1, 1);
    expect([work.add('a', bench.piece('a')), work.add('b', bench.piece('b'))]).toEqual([true, true]);
    expect([work.add('c', bench.piece('c')), work.add('b', bench.piece('b2'))]).toEqual([false, true]);
  });

  it('ends with what is under way', async () => {
    const bench = new Bench();
    const work = new KeyedWork(1, 10);
    work.add('a', bench.piece('a'));
    work.add('b', bench.piece('b'));
    let isClosed = false;
    const closing = work.close().then(() => (isClosed = true));
    expect(work.add('c', bench.piece('c'))).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    await bench.end('a');
    await closing;
    expect(bench.begun).toEqual(['a']);
  });
});
