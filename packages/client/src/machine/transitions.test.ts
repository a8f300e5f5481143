import { problem, type ErrorCode } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { wakeAtMs } from './machine.ts';
import { cursorOf } from '../testing/cursors.ts';
import { SimulatedHub } from '../testing/simulated-hub.ts';
import type { Ending, MachineSettings, TransportName } from './state.ts';

/** Starts with one subscription and its first attempt. */
function begin(settings: Partial<MachineSettings> = {}): SimulatedHub {
  const hub = new SimulatedHub(settings);
  hub.subscribe(['a']);
  hub.wake();
  return hub;
}

/** The number of the newest attempt. */
function newest(hub: SimulatedHub): number {
  return [...hub.streams.keys()].at(-1) as number;
}

/** Makes the newest attempt deliver, until it is stable. */
function open(hub: SimulatedHub, isStable = true): void {
  hub.ready(newest(hub));
  if (!isStable) return;
  hub.advance(hub.state.settings.stableMs);
  hub.flow(newest(hub), 1);
}

function transportOf(hub: SimulatedHub): TransportName | undefined {
  return 'transport' in hub.state.phase ? hub.state.phase.transport : undefined;
}

/** The wait before the next attempt, in milliseconds. */
function waitMs(hub: SimulatedHub): number {
  expect(hub.state.phase.kind).toBe('waiting');
  return wakeAtMs(hub.state) - hub.nowMs;
}

test('an attempt that fails before it delivers is followed immediately by the next transport, and the last by a pause', () => {
  const hub = begin();
  for (const _ of hub.state.settings.transports) hub.end(newest(hub), { kind: 'lost', why: 'refused' });
  expect(hub.transportsSeen).toEqual(['websocket', 'sse', 'long-poll', 'short-poll']);
  expect(waitMs(hub)).toBeLessThan(500);
  hub.wake();
  expect(transportOf(hub)).toBe('websocket');
});

test('a transport that connects and delivers nothing times out', () => {
  const hub = begin();
  hub.advance(4999);
  expect(transportOf(hub)).toBe('websocket');
  hub.advance(1);
  expect(transportOf(hub)).toBe('sse');
  expect(hub.streams.size).toBe(1);
});

test('history is polled for beside the first stream, and retried no more often than streams', () => {
  const hub = new SimulatedHub();
  hub.publish('a');
  hub.subscribe(['a'], { history: 1 });
  hub.subscribe(['a']);
  hub.wake();
  let polls = 0;
  let attempts = 0;
  for (let rounds = 0; rounds < 40; rounds++) {
    polls += hub.polls.size;
    for (const id of hub.polls.keys()) hub.failPoll(id);
    attempts++;
    hub.end(newest(hub), { kind: 'lost', why: 'refused' });
    if (hub.state.phase.kind === 'waiting') hub.wake();
  }
  expect(polls).toBeGreaterThan(1);
  expect(polls).toBeLessThanOrEqual(attempts);
  hub.recover();
  hub.checkComplete();
  expect(hub.consumers.get(1)?.delivered).toEqual([cursorOf(1)]);
});

test('a partial answer is followed by another poll, although no stream is open yet', () => {
  const hub = new SimulatedHub();
  for (let count = 0; count < 7; count++) hub.publish('a');
  const id = hub.subscribe(['a'], { after: 'earliest' }, 3);
  hub.wake();
  for (let rounds = 0; rounds < 3; rounds++) {
    hub.answerPoll(id);
    hub.consume(id);
  }
  expect(hub.consumers.get(id)?.delivered).toHaveLength(7);
  expect(hub.state.phase.kind).toBe('connecting');
});

test('a catch-up in flight when the stream opens is not repeated', () => {
  const hub = new SimulatedHub();
  hub.publish('a');
  const id = hub.subscribe(['a'], { history: 1 });
  hub.wake();
  const [round] = [...hub.polls.values()].map(({ subscription }) => subscription.pollNumber);
  hub.ready(newest(hub));
  hub.publish('a');
  hub.flow(newest(hub), 9);
  hub.answerPoll(id);
  expect(hub.state.subscriptions[0]).toMatchObject({ mode: 'live' });
  expect(
    [...hub.polls.values()].map(({ subscription }) => subscription.pollNumber).filter((other) => other !== round),
  ).toEqual([]);
  hub.checkComplete();
});

test('a catch-up that is refused for its credentials fails nothing; the refusal of the stream closes the connection', () => {
  const hub = new SimulatedHub();
  const id = hub.subscribe(['a'], { history: 1 });
  hub.wake();
  const round = hub.polls.get(id)?.subscription.pollNumber as number;
  const refused: Ending = { kind: 'refused', problem: problem('unauthorized'), hintMs: 0 };
  hub.input({ kind: 'polled', id, pollNumber: round, result: refused });
  expect(hub.consumers.get(id)?.failed).toBe(false);
  hub.end(newest(hub), refused);
  expect(hub.state.phase).toMatchObject({ kind: 'closed', why: 'unauthorized' });
  expect(hub.consumers.get(id)?.failed).toBe(true);
});

test('after a loss the transport that worked is retried three times, then the others are tried', () => {
  const hub = begin();
  open(hub);
  hub.transportsSeen.length = 0;
  hub.end(newest(hub), { kind: 'closed', code: 1006 });
  for (let tries = 0; tries < 4; tries++) {
    hub.wake();
    hub.end(newest(hub), { kind: 'closed', code: 1006 });
  }
  expect(hub.transportsSeen).toEqual(['websocket', 'websocket', 'websocket', 'sse', 'long-poll']);
});

test('a transport that repeatedly delivers and ends soon is replaced', () => {
  const hub = begin();
  for (let lives = 0; lives < 3; lives++) {
    open(hub, false);
    hub.end(newest(hub), { kind: 'closed', code: 1006 });
    hub.wake();
  }
  expect(transportOf(hub)).toBe('sse');
});

test('a stream without any message for two heartbeats and the margin is closed', () => {
  const hub = begin();
  open(hub);
  hub.advance(25_000);
  hub.flow(newest(hub), 1);
  hub.advance(54_999);
  expect(hub.state.phase.kind).toBe('open');
  hub.advance(1);
  expect(hub.state.phase).toMatchObject({ kind: 'waiting', why: 'silent' });
});

/**
 * Attempts fail at once until the hub is back after `outageMs`.
 * @returns the waits; the last one ends after the outage
 */
function waitsOfOutage(hub: SimulatedHub, outageMs: number): { readonly afterMs: number; readonly pauseMs: number }[] {
  const waits: { readonly afterMs: number; readonly pauseMs: number }[] = [];
  const sinceMs = hub.nowMs;
  do {
    hub.end(newest(hub), { kind: 'lost', why: 'refused' });
    waits.push({ afterMs: hub.nowMs - sinceMs, pauseMs: waitMs(hub) });
    hub.wake();
  } while (hub.nowMs - sinceMs < outageMs);
  return waits;
}

test('the backoff doubles twice, then grows with the outage up to its cap, is a random part of that, and resets after a stable stream', () => {
  const hub = begin({ transports: ['sse'] });
  const waits = waitsOfOutage(hub, 3_600_000);
  for (const { afterMs, pauseMs } of waits) expect(pauseMs).toBeLessThanOrEqual(2500 + afterMs / 8);
  expect(waits[0]?.pauseMs).toBeLessThan(500);
  expect(waits[1]?.pauseMs).toBeLessThan(1000);
  expect(Math.max(...waits.map(({ pauseMs }) => pauseMs))).toBeGreaterThan(29_000);
  expect(Math.max(...waits.map(({ pauseMs }) => pauseMs))).toBeLessThanOrEqual(30_000);
  open(hub);
  hub.end(newest(hub), { kind: 'lost', why: 'cut' });
  expect(waitMs(hub)).toBeLessThan(500);
});

test('the end of a quiet stream is a new outage, and does not continue the backoff of the last one', () => {
  const hub = begin({ transports: ['sse'] });
  waitsOfOutage(hub, 600_000);
  open(hub, false);
  hub.advance(9999);
  hub.end(newest(hub), { kind: 'lost', why: 'cut' });
  expect(hub.state.failures).toBeGreaterThan(10);
  hub.wake();
  open(hub, false);
  // No message came since `ready`: the next heartbeat is due after 25 s.
  hub.advance(10_000);
  hub.end(newest(hub), { kind: 'lost', why: 'cut' });
  expect(waitMs(hub)).toBeLessThan(500);
});

test('the time to reconnect that a draining hub states is obeyed (PROTOCOL.md 6.3, 7.2)', () => {
  const hub = begin();
  open(hub);
  hub.input({ kind: 'hint', attempt: newest(hub), reconnectInMs: 7000 });
  hub.end(newest(hub), { kind: 'closed', code: 1001 });
  expect(waitMs(hub)).toBeGreaterThanOrEqual(7000);
  expect(waitMs(hub)).toBeLessThan(7500);
});

test("an overloaded hub's Retry-After is obeyed, and no other transport is tried (PROTOCOL.md 9.1)", () => {
  const hub = begin();
  hub.end(newest(hub), { kind: 'refused', problem: problem('rate_limited'), hintMs: 9000 });
  expect(waitMs(hub)).toBeGreaterThanOrEqual(9000);
});

test.each([1001, 1006, 1012, 4408])('close code %i: it reconnects soon (PROTOCOL.md 7.4)', (code) => {
  const hub = begin();
  open(hub);
  hub.end(newest(hub), { kind: 'closed', code });
  expect(waitMs(hub)).toBeLessThan(500);
});

test.each([
  [1000, 'invalid_message'],
  [1009, 'invalid_message'],
  [4400, 'invalid_message'],
  [4403, 'forbidden'],
])('close code %i: it stops, and reports %s (PROTOCOL.md 7.4)', (code, said) => {
  const hub = begin();
  open(hub);
  hub.end(newest(hub), { kind: 'closed', code });
  expect(hub.state.phase).toMatchObject({ kind: 'closed', problem: { code: said } });
  expect(hub.consumers.get(1)?.failed).toBe(true);
});

test('a client closed with 4401 reconnects once to learn the reason: expired, or final', () => {
  const [over, final] = [begin(), begin()];
  for (const hub of [over, final]) {
    open(hub);
    hub.end(newest(hub), { kind: 'closed', code: 4401 });
    hub.wake();
    // A browser does not learn why an upgrade was refused.
    expect(transportOf(hub)).toBe('sse');
  }
  over.end(newest(over), { kind: 'refused', problem: problem('identity_unavailable'), hintMs: 9000 });
  expect(waitMs(over)).toBeGreaterThanOrEqual(9000);
  over.publish('a');
  over.recover();
  over.checkComplete();
  final.end(newest(final), { kind: 'refused', problem: problem('unauthorized'), hintMs: 0 });
  expect(final.state.phase).toMatchObject({ kind: 'closed', problem: { code: 'unauthorized' } });
});

test('a client with WebSocket alone treats close code 4401 as final', () => {
  const hub = begin({ transports: ['websocket'] });
  open(hub);
  hub.end(newest(hub), { kind: 'closed', code: 4401 });
  expect(hub.state.phase).toMatchObject({ kind: 'closed', problem: { code: 'unauthorized' } });
});

test('a refused token is requested once more, and the second refusal is final', () => {
  const hub = begin({ tokenRenewable: true, transports: ['sse'] });
  const refuse = (): void => hub.end(newest(hub), { kind: 'refused', problem: problem('unauthorized'), hintMs: 0 });
  refuse();
  hub.wake();
  open(hub);
  hub.end(newest(hub), { kind: 'lost', why: 'cut' });
  hub.wake();
  refuse();
  hub.wake();
  expect(hub.state.phase.kind).toBe('connecting');
  refuse();
  expect(hub.state.phase.kind).toBe('closed');
});

test('expiring credentials are renewed before they expire, and a stream with operations receives the new ones', () => {
  const hub = begin({ tokenRenewable: true });
  open(hub);
  hub.input({ kind: 'expiring', attempt: newest(hub) });
  expect(hub.credentialEffects).toEqual(['renew']);
  hub.input({ kind: 'token' });
  expect(hub.credentialEffects).toEqual(['renew', 'auth']);
  expect(hub.streams.size).toBe(1);
});

test('a stream without operations has a successor with the new token, and continues until that delivers', () => {
  const hub = begin({ tokenRenewable: true, transports: ['sse'] });
  open(hub);
  const old = newest(hub);
  hub.input({ kind: 'expiring', attempt: old });
  hub.input({ kind: 'token' });
  expect(hub.streams.size).toBe(2);
  hub.publish('a');
  hub.flow(old, 1);
  hub.ready(newest(hub));
  expect([...hub.streams.keys()]).not.toContain(old);
  hub.recover();
  hub.checkComplete();
});

test('a client that cannot get another token ignores the warning', () => {
  const hub = begin();
  open(hub);
  hub.input({ kind: 'expiring', attempt: newest(hub) });
  expect(hub.credentialEffects).toEqual([]);
});

test.each(['expired by close code', 'expired by HTTP'])(
  '%s: another token is requested, and the stream continues',
  (way) => {
    const hub = begin({ tokenRenewable: true });
    open(hub);
    if (way === 'expired by close code') hub.end(newest(hub), { kind: 'closed', code: 4401 });
    else {
      hub.end(newest(hub), { kind: 'lost', why: 'ended' });
      hub.wake();
      hub.end(newest(hub), { kind: 'refused', problem: problem('token_expired'), hintMs: 0 });
    }
    expect(hub.credentialEffects).toEqual(['refuse']);
    expect(hub.state.phase.kind).toBe('waiting');
    hub.publish('a');
    hub.recover();
    hub.checkComplete();
  },
);

test("a refusal that names a channel ends that channel's subscription and renews no token", () => {
  const hub = new SimulatedHub({ transports: ['sse'], tokenRenewable: true });
  const refused = hub.subscribe(['secret']);
  const allowed = hub.subscribe(['a']);
  hub.wake();
  const unauthorized = problem('unauthorized', undefined, { channel: 'secret' });
  for (let tries = 0; tries < 2; tries++) hub.end(newest(hub), { kind: 'refused', problem: unauthorized, hintMs: 0 });
  hub.recover();
  expect(hub.consumers.get(refused)?.failed).toBe(true);
  expect(hub.consumers.get(allowed)?.failed).toBe(false);
  expect(hub.credentialEffects).toEqual([]);
});

test.each(['sse', 'websocket'] as const)(
  'a channel that is forbidden after a reconnect ends its subscription, and the others lose no event: %s',
  (transport) => {
    const hub = new SimulatedHub({ transports: [transport] });
    const ids = ['a', 'secret', 'b'].map((channel) => hub.subscribe([channel]));
    const isAllowed = (): boolean => !hub.streams.get(newest(hub))?.request.channels.includes('secret');
    hub.recover();
    hub.end(newest(hub), { kind: 'lost', why: 'ended' });
    for (const channel of ['a', 'b']) hub.publish(channel);
    const refusal = problem('forbidden', undefined, { channel: 'secret' });
    for (let tries = 0; tries < 9 && hub.consumers.get(ids[1] as number)?.failed === false; tries++) {
      hub.wake();
      for (const poll of hub.polls.values())
        if (poll.subscription.channels.includes('secret'))
          hub.input({
            kind: 'polled',
            id: poll.subscription.id,
            pollNumber: poll.subscription.pollNumber,
            result: { kind: 'refused', problem: refusal, hintMs: 0 },
          });
      if (hub.streams.size === 0) continue;
      if (isAllowed()) hub.ready(newest(hub));
      else hub.end(newest(hub), { kind: 'refused', problem: refusal, hintMs: 0 });
    }
    hub.recover();
    hub.checkComplete();
    expect(ids.map((id) => hub.consumers.get(id)?.failed)).toEqual([false, true, false]);
    expect(hub.state.phase.kind).toBe('open');
  },
);

test('a channel that is no longer allowed ends the subscriptions that have it, and no other', () => {
  const hub = new SimulatedHub();
  const dropped = hub.subscribe(['secret', 'b']);
  const kept = hub.subscribe(['a']);
  hub.wake();
  open(hub);
  hub.input({ kind: 'dropped', attempt: newest(hub), channels: ['secret'] });
  hub.recover();
  expect(hub.consumers.get(dropped)?.failed).toBe(true);
  expect(hub.consumers.get(kept)?.failed).toBe(false);
});

test.each<ErrorCode>(['forbidden', 'invalid_cursor', 'too_many_channels'])(
  '%s ends its own subscription, and no other',
  (code) => {
    const hub = new SimulatedHub({ transports: ['sse'] });
    const refused = hub.subscribe(['secret']);
    const allowed = hub.subscribe(['a']);
    hub.wake();
    for (let tries = 0; tries < 2; tries++)
      hub.end(newest(hub), { kind: 'refused', problem: problem(code), hintMs: 0 });
    hub.publish('a');
    hub.recover();
    expect(hub.consumers.get(refused)?.failed).toBe(true);
    expect(hub.consumers.get(allowed)?.failed).toBe(false);
    expect(hub.state.phase.kind).toBe('open');
  },
);

test('after a fallback the better transports are tried beside it, one after the other, with growing pauses', () => {
  const hub = begin();
  for (let failures = 0; failures < 2; failures++) hub.end(newest(hub), { kind: 'lost', why: 'blocked' });
  open(hub);
  expect(transportOf(hub)).toBe('long-poll');
  hub.transportsSeen.length = 0;
  const pausesMs: number[] = [];
  for (let probes = 0; probes < 4; probes++) {
    const beganMs = hub.nowMs;
    while (hub.streams.size < 2) {
      hub.advance(1000);
      hub.flow([...hub.streams.keys()][0] as number, 1);
    }
    pausesMs.push(hub.nowMs - beganMs);
    hub.end(newest(hub), { kind: 'lost', why: 'blocked' });
  }
  expect(hub.transportsSeen).toEqual(['websocket', 'sse', 'websocket', 'sse']);
  expect(pausesMs.toSorted((one, other) => one - other)).toEqual(pausesMs);
  expect(transportOf(hub)).toBe('long-poll');
});

test('a timer that fires far too late shows that the machine slept: due work is done immediately, and a stream gets a successor', () => {
  const waiting = begin({ transports: ['sse'] });
  for (let failures = 0; failures < 6; failures++) {
    waiting.end(newest(waiting), { kind: 'lost', why: 'refused' });
    if (failures < 5) waiting.wake();
  }
  waiting.advance(3_600_000);
  expect(waiting.state).toMatchObject({ phase: { kind: 'connecting' }, failures: 0 });

  const asleep = begin({ transports: ['sse'], heartbeatMarginMs: 10_000_000 });
  open(asleep);
  asleep.nowMs += 20_000_000;
  asleep.input({ kind: 'tick' });
  expect(asleep.state.phase.kind).toBe('waiting');
});

test('a network change opens a new stream beside the old one, which continues until the new one delivers', () => {
  const hub = begin();
  open(hub);
  const [old] = hub.streams.keys();
  hub.input({ kind: 'network' });
  expect(hub.streams.size).toBe(2);
  hub.publish('a');
  hub.flow(old as number, 1);
  hub.ready(newest(hub));
  expect([...hub.streams.keys()]).not.toContain(old);
  hub.recover();
  hub.checkComplete();
});

test('a subscription that ends before its answer takes back the channels that the stream had already', () => {
  const hub = begin();
  open(hub);
  const both = hub.subscribe(['a', 'b']);
  hub.unsubscribe(1);
  hub.subscribe(['c']);
  hub.unsubscribe(both);
  hub.recover();
  expect(hub.streams.get(newest(hub))?.channels).toEqual(['c']);
});

test('a gap is reported once, to the subscriptions concerned', () => {
  const hub = begin();
  open(hub);
  hub.publish('a');
  hub.flow(newest(hub), 1);
  const gap = { from: cursorOf(1), to: cursorOf(5), reason: 'retention' } as const;
  const emit = (given: object): void => hub.input({ kind: 'gap', attempt: newest(hub), gap: { ...gap, ...given } });
  emit({});
  emit({});
  emit({ from: cursorOf(2) });
  emit({ to: cursorOf(6) });
  expect(hub.gaps).toEqual([gap, { ...gap, to: cursorOf(6) }]);
});

test("after a rollback of the log the stream continues from the rollback's position", () => {
  const hub = begin();
  for (let count = 0; count < 5; count++) hub.publish('a');
  open(hub);
  hub.publish('a');
  hub.flow(newest(hub), 1);
  hub.log.length = 2;
  hub.allowsGoingBack = true;
  hub.input({ kind: 'gap', attempt: newest(hub), gap: { from: cursorOf(6), to: cursorOf(2), reason: 'epoch' } });
  hub.input({
    kind: 'events',
    attempt: newest(hub),
    events: [{ id: cursorOf(3), channel: 'a', time: '', data: null }],
    cursor: undefined,
  });
  expect(hub.consumers.get(1)?.delivered).toEqual([cursorOf(6), cursorOf(3)]);
});
