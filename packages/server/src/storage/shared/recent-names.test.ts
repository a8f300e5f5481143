import { describe, expect, it } from 'vitest';
import { RecentNames } from './recent-names.ts';

describe('recent names', () => {
  it('are the text of their bytes, however often and in whatever order they are read', () => {
    const names = new RecentNames();
    // More names than places, so that many share one, and some that are not kept.
    const written = Array.from(
      { length: 60_000 },
      (_each, number) => `room.${number * 7919}.${'x'.repeat(number % 70)}`,
    );
    const bytes = Buffer.from(written.join(''), 'latin1');
    for (const order of [written, written]) {
      let offset = 0;
      for (const name of order) expect(names.read(bytes, offset, (offset += name.length))).toBe(name);
    }
  });

  it('of the same bytes are told apart by their lengths', () => {
    const names = new RecentNames();
    const bytes = Buffer.from('aaaa');
    expect([4, 3, 0, 1, 4].map((length) => names.read(bytes, 0, length))).toEqual(['aaaa', 'aaa', '', 'a', 'aaaa']);
  });

  it('may have bytes beyond ASCII', () => {
    const names = new RecentNames();
    const bytes = Buffer.from('caf\u00e9', 'latin1');
    expect([names.read(bytes, 0, 4), names.read(bytes, 0, 4)]).toEqual(['caf\u00e9', 'caf\u00e9']);
  });
});
