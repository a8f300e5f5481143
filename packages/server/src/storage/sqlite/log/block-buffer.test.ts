import { expect, test } from 'vitest';
import type { Block } from '../../view/block.ts';
import { BlockBuffer, unpackBlocks } from './block-buffer.ts';

function block(sequence: number, bytes: number): Block {
  return { sequence, id: `a-${sequence}`, kind: 'events', data: new Uint8Array(bytes).fill(sequence) };
}

test('blocks of any sizes arrive as they are, each from a multiple of 8 on', () => {
  const blocks = [block(1, 13), block(2, 0), block(3, 200_000), block(4, 8)];
  const arrived = unpackBlocks(new BlockBuffer().pack(blocks));
  expect(arrived).toEqual(blocks);
  expect(arrived.map(({ data }) => data.byteOffset % 8)).toEqual([0, 0, 0, 0]);
});

test('a buffer that has come back is used again where it is large enough, and a large one while it is needed', () => {
  const buffer = new BlockBuffer();
  const first = buffer.pack([block(1, 9_000)]);
  // Until then, it may be in use.
  expect(buffer.pack([block(2, 9_000)]).buffer).not.toBe(first.buffer);
  buffer.keep(first.buffer);
  const second = buffer.pack([block(3, 50_000)]);
  expect(second.buffer).toBe(first.buffer);
  buffer.keep(second.buffer);
  const large = buffer.pack([block(4, 3_000_000)]);
  expect(large.buffer.byteLength).toBeGreaterThanOrEqual(3_000_000);
  buffer.keep(large.buffer);
  expect(buffer.pack([block(5, 700_000)]).buffer).toBe(large.buffer);
  buffer.keep(large.buffer);
  expect(buffer.pack([block(6, 9_000)]).buffer).not.toBe(large.buffer);
});
