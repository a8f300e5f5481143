import fc from 'fast-check';
import { problem } from '@polycast/protocol';
import { expect, test } from 'vitest';
import type { Ending, Input, Start } from './state.ts';
import { cursorOf } from '../testing/cursors.ts';
import { SimulatedHub } from '../testing/simulated-hub.ts';

const CHANNELS = ['a.1', 'a.2', 'b.1', 'c'];
const PATTERNS = ['a.1', 'a.*', 'b.>', 'c', '>', 'a.2'];
const CODES = [1000, 1001, 1006, 1011, 1012, 1013, 4408, 4429, 4999];

const OF_A_RULE = problem('forbidden', undefined, { channel: 'a.1' });

type Action = (hub: SimulatedHub) => void;

const pick = <Value>(values: readonly Value[], index: number): Value | undefined =>
  values[index % Math.max(1, values.length)];
const streamOf = (hub: SimulatedHub, index: number): number => pick([...hub.streams.keys()], index) ?? -1;

const start = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.constant({ after: 'earliest' }),
  fc.record({ history: fc.integer({ min: 1, max: 5 }) }),
  fc.constant('cursor' as const),
);

/** Wraps an action, so that a failing test can name it. */
function named<Args extends unknown[]>(
  name: string,
  act: (hub: SimulatedHub, ...args: Args) => void,
): (...args: Args) => Action {
  return (...args) =>
    Object.assign((hub: SimulatedHub) => act(hub, ...args), {
      [fc.toStringMethod]: () => `${name}(${JSON.stringify(args)})`,
    });
}

const publish = named('publish', (hub, channel: string) => hub.publish(channel));
const flow = named('flow', (hub, index: number, count: number) => hub.flow(streamOf(hub, index), count));
const ready = named('ready', (hub, index: number) => hub.ready(streamOf(hub, index)));
const operate = named('operate', (hub, index: number) => hub.operate(streamOf(hub, index)));
const refuse = named('refuse', (hub, index: number, code: 'forbidden' | 'rate_limited') =>
  hub.operate(streamOf(hub, index), code),
);
const answerPoll = named('answerPoll', (hub, index: number) =>
  hub.answerPoll(pick([...hub.polls.keys()], index) ?? -1),
);
const failPoll = named('failPoll', (hub, index: number) => hub.failPoll(pick([...hub.polls.keys()], index) ?? -1));
const advance = named('advance', (hub, ms: number) => hub.advance(ms));
const wake = named('wake', (hub) => hub.wake());
const input = named('input', (hub, given: Input) => hub.input(given));
const consume = named('consume', (hub, index: number) => hub.consume(pick([...hub.consumers.keys()], index) ?? -1));
const end = named('end', (hub, index: number, ending: Ending) => hub.end(streamOf(hub, index), ending));
const unsubscribe = named('unsubscribe', (hub, index: number) =>
  hub.unsubscribe(pick([...hub.consumers.keys()], index) ?? -1),
);
const subscribe = named(
  'subscribe',
  (hub, channels: string[], from: Start | 'cursor', room: string, startAfter: number) => {
    const given = from === 'cursor' ? { after: cursorOf(Math.floor((hub.log.length * startAfter) / 100)) } : from;
    if (hub.consumers.size < 5) hub.subscribe(channels, given, Number(room));
  },
);

const expire = named('expire', (hub, index: number) => hub.input({ kind: 'expiring', attempt: streamOf(hub, index) }));
const renewal: fc.Arbitrary<Action> = fc.oneof(
  fc.nat(3).map(expire),
  fc.constant(input({ kind: 'token' })),
  fc.nat(3).map((index) => end(index, { kind: 'closed', code: 4401 })),
);

const someChannels = fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 3 });
const someRoom = fc.constantFrom('Infinity', 'Infinity', '1', '3');
const someCode = fc.constantFrom(...CODES.filter((code) => code !== 1000));

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...CHANNELS).map(publish) },
  { weight: 4, arbitrary: fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 4 })).map((args) => flow(...args)) },
  { weight: 4, arbitrary: fc.nat(3).map(ready) },
  { weight: 2, arbitrary: fc.nat(3).map(operate) },
  fc.nat(3).map((index) => refuse(index, 'rate_limited')),
  { weight: 3, arbitrary: fc.nat(5).map(answerPoll) },
  fc.nat(5).map(failPoll),
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 40_000 }).map(advance) },
  { weight: 3, arbitrary: fc.constant(wake()) },
  fc.constant(input({ kind: 'network' })),
  fc.constant(advance(3_600_000)),
  { weight: 2, arbitrary: fc.nat(5).map(consume) },
  fc.nat(3).map((index) => end(index, { kind: 'lost', why: 'cut' })),
  fc.tuple(fc.nat(3), someCode).map(([index, code]) => end(index, { kind: 'closed', code })),
  fc.nat(3).map((index) => end(index, { kind: 'refused', problem: problem('overloaded'), hintMs: 2000 })),
  { weight: 2, arbitrary: fc.tuple(someChannels, start, someRoom, fc.nat(100)).map((args) => subscribe(...args)) },
  fc.nat(5).map(unsubscribe),
);

const run = (transports: readonly ('websocket' | 'sse' | 'long-poll' | 'short-poll')[]) =>
  fc.property(fc.array(action, { minLength: 5, maxLength: 80, size: 'max' }), (actions) => {
    const hub = new SimulatedHub({ transports });
    hub.subscribe(['a.1']);
    for (const act of actions) act(hub);
    hub.recover();
    hub.checkComplete();
  });

test('with random faults each event arrives once, in order, and in the end none is missing', () => {
  fc.assert(run(['websocket', 'sse', 'long-poll', 'short-poll']), { numRuns: 3000 });
});

test('the same holds where only operations change the channels', () => {
  fc.assert(run(['websocket']), { numRuns: 2000 });
});

test('the same holds if the stream is reopened for each change', () => {
  fc.assert(run(['sse']), { numRuns: 2000 });
});

test.each(['websocket', 'sse'] as const)('the same holds while tokens expire and are renewed, over %s', (transport) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 12, arbitrary: action }, renewal), { minLength: 5, maxLength: 80, size: 'max' }),
      (actions) => {
        const hub = new SimulatedHub({ transports: [transport], tokenRenewable: true });
        hub.subscribe(['a.1']);
        for (const act of actions) act(hub);
        hub.recover();
        // A second refusal before it is open again closes it, with all subscriptions.
        if (hub.state.phase.kind !== 'closed') hub.checkComplete();
        else expect(hub.credentialEffects).toContain('refuse');
      },
    ),
    { numRuns: 1000 },
  );
});

test.each(['websocket', 'sse', 'short-poll'] as const)(
  'a channel that is no longer allowed ends its readers, and costs no other reader an event, over %s',
  (transport) => {
    const forbid = named('forbid', (hub) => hub.forbid('c'));
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 20, arbitrary: action }, fc.constant(forbid())), {
          minLength: 5,
          maxLength: 80,
          size: 'max',
        }),
        (actions) => {
          const hub = new SimulatedHub({ transports: [transport] });
          hub.subscribe(['a.1']);
          for (const act of actions) act(hub);
          hub.recover();
          hub.checkComplete();
          for (const { failed, channels } of hub.consumers.values())
            expect(failed).toBe(hub.forbidden !== undefined && channels.includes(hub.forbidden));
        },
      ),
      { numRuns: 1500 },
    );
  },
);

test('events that retention removes meanwhile are reported as a gap to the subscriptions that match them', () => {
  const trim = named('trim', (hub, count: number) => {
    hub.trimmedThrough = Math.max(hub.trimmedThrough, hub.log.length - count);
  });
  const withRetention = fc.oneof({ weight: 40, arbitrary: action }, fc.nat(5).map(trim));
  fc.assert(
    fc.property(fc.array(withRetention, { minLength: 5, maxLength: 80, size: 'max' }), (actions) => {
      const hub = new SimulatedHub();
      hub.subscribe(['a.1']);
      for (const act of actions) act(hub);
      hub.recover();
      hub.checkComplete();
    }),
    { numRuns: 1000 },
  );
});

test('random inputs in any phase leave it open, waiting with a timer, idle or closed', () => {
  const refusal = fc.constantFrom('forbidden' as const, 'unauthorized' as const, 'not_acceptable' as const);
  const anything: fc.Arbitrary<Action> = fc.oneof(
    action,
    fc.constantFrom(...CODES).map((code) => end(0, { kind: 'closed', code })),
    refusal.map((code) => end(0, { kind: 'refused', problem: problem(code), hintMs: 0 })),
    fc.nat(3).map((index) => refuse(index, 'forbidden')),
    fc.nat(3).map((index) => end(index, { kind: 'refused', problem: OF_A_RULE, hintMs: 0 })),
    fc.nat(9).map((attempt) => input({ kind: 'events', attempt, events: [], cursor: undefined })),
    renewal,
    fc.nat(3).map((index) => input({ kind: 'dropped', attempt: index, channels: ['a.1'] })),
    fc.nat(9).map((attempt) => input({ kind: 'hint', attempt, reconnectInMs: 3000 })),
    fc.nat(9).map((late) => input({ kind: 'ended', attempt: 1e6 + late, ending: { kind: 'lost', why: 'late' } })),
    fc
      .nat(9)
      .map((id) => input({ kind: 'polled', id, pollNumber: 1, result: { events: [], gaps: [], cursor: cursorOf(0) } })),
    fc.constant(input({ kind: 'close' })),
  );
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 60, size: 'max' }), (actions) => {
      const hub = new SimulatedHub();
      for (const act of actions) act(hub);
      expect(['idle', 'connecting', 'open', 'waiting', 'closed']).toContain(hub.state.phase.kind);
    }),
    { numRuns: 2000 },
  );
});
