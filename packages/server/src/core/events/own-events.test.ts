import { encodeCursor, jsonFraming, inChunks, sseFraming, webSocketFraming, type Framing } from '@polycast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joinFrames, type Batch } from './batch.ts';
import { Interest } from '../interests/interest.ts';
import { withoutOwnEvents } from './own-events.ts';
import type { StoredRecord } from '../ports.ts';
import { authorMembers } from '../publish.ts';

const EPOCH = encodeCursor('0000000000', 0).slice(0, 10);
const INTEREST = new Interest('>', ['>'], undefined, [], 0);

interface Written {
  readonly type: string | undefined;
  readonly user: string | undefined;
  readonly origin: string | undefined;
  readonly data: unknown;
}

function record({ type, user, origin, data }: Written, index: number): StoredRecord {
  const members = [
    `"channel":"a.b"`,
    ...(type === undefined ? [] : [`"type":${JSON.stringify(type)}`]),
    '"time":"2026-01-01T00:00:00.000Z"',
    ...(authorMembers(user, origin) === undefined ? [] : [authorMembers(user, origin)]),
    `"data":${JSON.stringify(data)}`,
  ];
  const body = Buffer.from(`${members.join(',')}}`);
  return { position: index + 1, channel: 'a.b', type, timeMs: 0, body };
}

function batchOf(framing: Framing, written: readonly Written[]): Batch {
  const bytes = joinFrames(framing, EPOCH, written.map(record), Buffer.allocUnsafe);
  const count = written.length;
  return {
    interest: INTEREST,
    framing,
    from: 0,
    reached: count,
    lastPosition: count,
    count,
    bytes,
    countMax: Infinity,
    isTruncated: false,
    gapThrough: 0,
    gapReason: 'retention',
    isHttpCacheable: false,
  };
}

function mark(user: string | undefined, origin: string): string {
  return Buffer.from(authorMembers(user, origin) as string).toString('latin1');
}

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'é', '","origin":"a', '\\"'),
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
);
const event = fc.record({
  type: fc.option(name, { nil: undefined }),
  user: fc.option(name, { nil: undefined }),
  origin: fc.option(fc.constantFrom('a', 'b', 'tab-1'), { nil: undefined }),
  data: fc.oneof(
    fc.jsonValue(),
    fc.constant({ origin: 'a', user: 'a' }),
    fc.constant('},{"id":"x'),
    fc.constant('x'.repeat(70_000)),
  ),
});

describe.each([sseFraming, inChunks(sseFraming), webSocketFraming, jsonFraming])('as %j', (framing) => {
  test("a client's own events are left out, and the rest is the same byte for byte", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), fc.option(name, { nil: undefined }), (written, user) => {
        const others = written.filter((each) => each.user !== user || each.origin !== 'a');
        const positions = new Map(written.map((each, index) => [each, index]));
        const { bytes, count } = withoutOwnEvents(batchOf(framing, written), mark(user, 'a'));
        const expected = joinFrames(
          framing,
          EPOCH,
          others.map((each) => record(each, positions.get(each) as number)),
          Buffer.allocUnsafe,
        );
        expect(count).toBe(others.length);
        expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
      }),
    );
  });

  test('a batch without own events is sent from the shared bytes', () => {
    const batch = batchOf(framing, [{ type: undefined, user: 'eve', origin: 'a', data: 1 }]);
    expect(withoutOwnEvents(batch, mark('adam', 'a'))).toBe(batch);
    expect(withoutOwnEvents(batch, mark(undefined, 'a'))).toBe(batch);
    expect(withoutOwnEvents(batch, mark('eve', 'b')).bytes).toBe(batch.bytes);
  });
});
