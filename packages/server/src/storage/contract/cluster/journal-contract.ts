import { describe, expect, onTestFinished, test } from 'vitest';
import type { Journal } from '../../cluster/journal.ts';
import { createMarks } from '../../cluster/journal-marks.ts';
import type { Block, BlockAddress, NewBlock } from '../../view/block.ts';

/** Opens another connection to the journal under test, which has no block at the first call. */
export type OpenJournal = () => Promise<Journal>;

const START: BlockAddress = { sequence: 0, id: '' };

/** Tests for the contract of `Journal`. They run against each implementation. */
export function journalContract(name: string, prepare: () => Promise<OpenJournal>): void {
  const openers = async (): Promise<OpenJournal> => {
    const open = await prepare();
    return async () => {
      const journal = await open();
      onTestFinished(() => journal.close());
      return journal;
    };
  };

  describe(name, () => {
    test('a new journal is empty', async () => {
      const journal = await (await openers())();
      expect(await journal.last()).toBe(0);
      expect(await journal.idAt(1)).toBeUndefined();
      expect(journal.blockBytesMax).toBeGreaterThan(100_000);
    });

    test('blocks have the sequences 1, 2, 3, and every follower gets them in order, unchanged', async () => {
      const open = await openers();
      const [one, other] = [await open(), await open()];
      const early = follow(one, START);
      for (let number = 1; number <= 20; number++) {
        const from = number % 2 === 0 ? one : other;
        expect(await from.append(block(`${number % 2}-${number}`, `data ${number}`))).toBe(number);
      }
      const late = follow(other, START);
      for (const blocks of [early, late]) {
        await expect.poll(() => blocks.length).toBe(20);
        expect(blocks.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
        expect(blocks.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, at) => `${(at + 1) % 2}-${at + 1}`));
        expect(Buffer.from(blocks[6]?.data ?? []).toString()).toBe('data 7');
        expect(blocks[6]?.kind).toBe('events');
        expect(blocks[6]?.data.byteLength).toBe(blocks[6]?.data.buffer.byteLength);
      }
      expect(await one.last()).toBe(20);
      expect(await other.idAt(7)).toBe('1-7');
    });

    test('a follower begins after the block where it stands', async () => {
      const journal = await (await openers())();
      for (let number = 1; number <= 5; number++) await journal.append(block(`a-${number}`));
      const blocks = follow(journal, { sequence: 3, id: 'a-3' });
      await expect.poll(() => blocks.length).toBe(2);
      await journal.append(block('a-6'));
      await expect.poll(() => blocks.map(({ id }) => id)).toEqual(['a-4', 'a-5', 'a-6']);
    });

    test('the same id is appended once, and answered with its sequence', async () => {
      const open = await openers();
      const [one, other] = [await open(), await open()];
      expect(await one.append(block('a-1', 'first'))).toBe(1);
      expect(await one.append(block('a-2'))).toBe(2);
      expect(await other.append(block('a-1', 'first'))).toBe(1);
      expect(await one.last()).toBe(2);
    });

    test('an append under a condition fails when another block came first', async () => {
      const open = await openers();
      const [one, other] = [await open(), await open()];
      const results = await Promise.allSettled([one.append(block('a-1'), 0), other.append(block('b-1'), 0)]);
      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const rejected = results.find((result) => result.status === 'rejected');
      expect(rejected?.reason).toMatchObject({ name: 'JournalError', code: 'conflict' });
      expect(await one.last()).toBe(1);
    });

    test('a block of the greatest size comes back whole', async () => {
      const journal = await (await openers())();
      const data = new Uint8Array(journal.blockBytesMax).fill(7);
      await journal.append({ id: 'a-1', kind: 'events', data });
      const blocks = follow(journal, START);
      await expect.poll(() => blocks.length).toBe(1);
      expect(Buffer.compare(blocks[0]?.data ?? new Uint8Array(), data)).toBe(0);
    });

    test('blocks of all sizes come back whole, also those that follow a large one', async () => {
      const journal = await (await openers())();
      const sizes = [
        1,
        60_000,
        65_400,
        9,
        65_536,
        65_700,
        2,
        131_000,
        131_200,
        3,
        700_000,
        4,
        5,
        journal.blockBytesMax,
      ];
      // Neighbours differ in every byte.
      const sent = [...sizes, ...sizes].map((bytes, index) => new Uint8Array(bytes).fill(index + 1));
      for (const [index, data] of sent.entries()) await journal.append({ id: `a-${index + 1}`, kind: 'events', data });
      const blocks = follow(journal, START, true);
      await expect.poll(() => blocks.length, { timeout: 10_000 }).toBe(sent.length);
      for (const [index, data] of sent.entries())
        expect(Buffer.compare(blocks[index]?.data ?? new Uint8Array(), data), `block ${index + 1}`).toBe(0);
    });

    test('a follower whose block the journal does not have is told so, and gets no block', async () => {
      const journal = await (await openers())();
      await journal.append(block('a-1'));
      await journal.append(block('a-2'));
      for (const from of [
        { sequence: 2, id: 'b-2' },
        { sequence: 9, id: 'a-9' },
      ]) {
        const { promise, resolve } = Promise.withResolvers<string>();
        journal.follow(from, {
          appendMark: createMarks(journal, 'm'),
          onBlock: () => resolve('a block'),
          onRolledBack: () => resolve('rolled back'),
          onTrimmedBeyond: () => resolve('trimmed'),
          whenReady: undefined,
          mayWait: false,
        });
        expect(await promise).toBe('rolled back');
      }
    });

    test('a trimmed journal keeps its sequences, and a follower before it is told so', async () => {
      const journal = await (await openers())();
      for (let number = 1; number <= 6; number++) await journal.append(block(`a-${number}`));
      await journal.trim(4);
      expect(await journal.extent()).toMatchObject({ first: 4, last: 6 });
      expect(await journal.idAt(3)).toBeUndefined();
      expect(await journal.idAt(4)).toBe('a-4');
      expect(await journal.append(block('a-7'))).toBe(7);
      for (const from of [START, { sequence: 3, id: 'a-3' }]) {
        const { promise, resolve } = Promise.withResolvers<string>();
        journal.follow(from, {
          appendMark: createMarks(journal, 'm'),
          onBlock: () => resolve('a block'),
          onRolledBack: () => resolve('rolled back'),
          onTrimmedBeyond: () => resolve('trimmed'),
          whenReady: undefined,
          mayWait: false,
        });
        expect(await promise).toBe('trimmed');
      }
      const blocks = follow(journal, { sequence: 4, id: 'a-4' });
      await expect.poll(() => blocks.map(({ id }) => id)).toEqual(['a-5', 'a-6', 'a-7']);
    });

    test('a follower that may wait gets every block in order, and what it needs at once', async () => {
      const open = await openers();
      const [one, other] = [await open(), await open()];
      const blocks = follow(other, START, true);
      for (let number = 1; number <= 3; number++) await one.append(block(`a-${number}`));
      await expect.poll(() => blocks.length).toBe(3);
      // More than a journal passes on together.
      const appended = Array.from({ length: 700 }, (_, index) => one.append(block(`b-${index}`)));
      const last = Math.max(...(await Promise.all(appended)));
      other.deliverNow(last);
      await expect.poll(() => blocks.length, { timeout: 10_000 }).toBe(703);
      expect(blocks.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 703 }, (_, index) => index + 1));
      await one.append(block('c-1'));
      await expect.poll(() => blocks.at(-1)?.id).toBe('c-1');
    });

    test('a closed journal appends nothing', async () => {
      const open = await openers();
      const [one, other] = [await open(), await open()];
      await one.close();
      await expect(one.append(block('a-1'))).rejects.toMatchObject({ code: 'closed' });
      expect(await other.last()).toBe(0);
    });
  });
}

function block(id: string, text = 'x'): NewBlock {
  return { id, kind: 'events', data: Buffer.from(text) };
}

/**
 * The followed blocks. A follower appends a mark where its journal was silent, and that of a slow
 * machine may be. The tests count blocks, so here it gets the newest sequence, and appends nothing.
 */
function follow(journal: Journal, from: BlockAddress, mayWait = false): Block[] {
  const blocks: Block[] = [];
  journal.follow(from, {
    appendMark: () => journal.last(),
    onBlock: (each) => void blocks.push(each),
    whenReady: undefined,
    mayWait,
    onRolledBack: () => {
      throw new Error('the journal was rolled back');
    },
    onTrimmedBeyond: () => {
      throw new Error('the journal was trimmed');
    },
  });
  return blocks;
}
