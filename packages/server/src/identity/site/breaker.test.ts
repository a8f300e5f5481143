import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLOSED, isSuspect, allowsRequest, transition, type Breaker } from './breaker.ts';

const SETTINGS = { failuresMax: 3, openMs: 1000, opensFor: 'clients' } as const;

function after(breaker: Breaker, ...outcomes: readonly ('answered' | 'failed')[]): Breaker {
  return outcomes.reduce<Breaker>(
    (state, kind) => transition(state, { kind, era: state.era, nowMs: 0 }, SETTINGS),
    breaker,
  );
}

test('consecutive failures open it, and one answer resets the count', () => {
  expect(after(CLOSED, 'failed', 'failed', 'answered', 'failed', 'failed').kind).toBe('closed');
  expect(after(CLOSED, 'failed', 'failed', 'failed')).toEqual({ kind: 'open', era: 1, untilMs: 1000 });
});

test('failures of one client alone do not open it; failures of two clients, or a sure failure of the site, do', () => {
  const failed = (breaker: Breaker, client?: string, opensFor: 'clients' | 'sure' = 'clients'): Breaker =>
    transition(breaker, { kind: 'failed', era: breaker.era, nowMs: 0, client }, { ...SETTINGS, opensFor });
  let state: Breaker = CLOSED;
  for (let failure = 0; failure < 10; failure++) {
    expect(isSuspect(state, SETTINGS)).toBe(failure >= 3);
    state = failed(state, 'one');
  }
  expect(state.kind).toBe('closed');
  expect(failed(state, 'two').kind).toBe('open');
  expect(failed(state, 'two', 'sure').kind).toBe('closed');
  expect(failed(state).kind).toBe('open');
  expect(failed(failed(failed(CLOSED), 'one', 'sure'), 'one', 'sure').kind).toBe('open');
});

test('after the pause one request tests the site, and its outcome decides', () => {
  const open = after(CLOSED, 'failed', 'failed', 'failed');
  expect([allowsRequest(open, 999), allowsRequest(open, 1000)]).toEqual([false, true]);
  const trying = transition(open, { kind: 'asked', nowMs: 1000 }, SETTINGS);
  expect(trying.kind).toBe('trying');
  expect(allowsRequest(trying, 1e9)).toBe(false);
  expect(transition(trying, { kind: 'answered', era: trying.era }, SETTINGS)).toMatchObject({
    kind: 'closed',
    failures: 0,
  });
  expect(transition(trying, { kind: 'failed', era: trying.era, nowMs: 1500 }, SETTINGS)).toMatchObject({
    untilMs: 2500,
  });
});

/** Questions are sent when the breaker allows it. They end in any order, some much later. */
type Event =
  | { readonly do: 'ask' }
  | { readonly do: 'end'; readonly which: number; readonly well: boolean }
  | { readonly do: 'pass'; readonly ms: number };

const events = fc.array(
  fc.oneof(
    fc.constant<Event>({ do: 'ask' }),
    fc.record({ do: fc.constant('end' as const), which: fc.nat(20), well: fc.boolean() }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(1500) }),
  ),
  { maxLength: 200, size: 'max' },
);

test('with any outcomes: only one request tests the site, late ones are ignored, and it never blocks requests forever', () => {
  fc.assert(
    fc.property(events, (list) => {
      let state: Breaker = CLOSED;
      let nowMs = 0;
      let openedMs = 0;
      const out: number[] = [];
      for (const event of list) {
        const before = state;
        if (event.do === 'pass') nowMs += event.ms;
        else if (event.do === 'ask') {
          if (!allowsRequest(state, nowMs)) continue;
          state = transition(state, { kind: 'asked', nowMs }, SETTINGS);
          out.push(state.era);
        } else if (out.length > 0) {
          const [era = 0] = out.splice(event.which % out.length, 1);
          state = transition(state, { kind: event.well ? 'answered' : 'failed', era, nowMs }, SETTINGS);
          if (era !== before.era) expect(state).toBe(before);
        }
        if (state.kind === 'open' && before.kind !== 'open') openedMs = nowMs;
        if (state.kind === 'open') expect(state.untilMs).toBe(openedMs + SETTINGS.openMs);
        // The test of the site is in flight, alone in its era. When it ends, the state changes.
        if (state.kind === 'trying') expect(out.filter((era) => era === state.era)).toHaveLength(1);
        expect(state.era).toBeGreaterThanOrEqual(before.era);
      }
      while (out.length > 0) state = transition(state, { kind: 'failed', era: out.pop() ?? 0, nowMs }, SETTINGS);
      expect(allowsRequest(state, nowMs + SETTINGS.openMs)).toBe(true);
    }),
  );
});
