import { describe, expect, test } from 'vitest';
import { sessionTransition, type SessionInput, type SessionPhase, type SessionState } from './session.ts';

const SETTINGS = { heartbeatTicks: 100, stalledTicks: 2400, closeTimeoutTicks: 4 };
const open: SessionState = { phase: 'open', sentTick: 50, blockedTick: 0, expiresTick: 0, warnTick: 0 };

describe('an open session', () => {
  test.each([
    [149, { phase: 'open', effect: 'none', nextTicks: 1 }],
    [150, { phase: 'open', effect: 'heartbeat', nextTicks: 100 }],
    [900, { phase: 'open', effect: 'heartbeat', nextTicks: 100 }],
  ])('that last sent at tick 50 does at tick %d: %o', (now, step) =>
    expect(sessionTransition(open, 'tick', now, SETTINGS)).toEqual(step),
  );

  test.each([
    [200, { phase: 'open', effect: 'none', nextTicks: 100 }],
    [2400, { phase: 'open', effect: 'none', nextTicks: 60 }],
    [2459, { phase: 'open', effect: 'none', nextTicks: 1 }],
    [2460, { phase: 'leaving', effect: 'close_stalled', nextTicks: 4 }],
  ])('that is blocked since tick 60 gets no heartbeat and does at tick %d: %o', (now, step) =>
    expect(sessionTransition({ ...open, blockedTick: 60 }, 'tick', now, SETTINGS)).toEqual(step),
  );

  test('announces a drain and ends; ends when it is closed', () => {
    expect(sessionTransition(open, 'drain', 60, SETTINGS)).toEqual({
      phase: 'leaving',
      effect: 'send_draining',
      nextTicks: 4,
    });
    expect(sessionTransition(open, 'end', 60, SETTINGS)).toEqual({ phase: 'leaving', effect: 'close', nextTicks: 4 });
  });
});

describe('a session whose credentials expire', () => {
  const expiring: SessionState = { ...open, expiresTick: 130, warnTick: 100 };

  test.each([
    [60, expiring, { phase: 'open', effect: 'none', nextTicks: 40 }],
    [100, expiring, { phase: 'open', effect: 'send_expiring', nextTicks: 30 }],
    [100, { ...expiring, warnTick: 0 }, { phase: 'open', effect: 'none', nextTicks: 30 }],
    [130, { ...expiring, warnTick: 0 }, { phase: 'leaving', effect: 'close_expired', nextTicks: 4 }],
    [500, expiring, { phase: 'leaving', effect: 'close_expired', nextTicks: 4 }],
    [150, { ...expiring, expiresTick: 300, warnTick: 150 }, { phase: 'open', effect: 'send_expiring', nextTicks: 1 }],
    [151, { ...expiring, expiresTick: 300, warnTick: 0 }, { phase: 'open', effect: 'heartbeat', nextTicks: 100 }],
    [100, { ...expiring, blockedTick: 60 }, { phase: 'open', effect: 'send_expiring', nextTicks: 30 }],
    [130, { ...expiring, blockedTick: 60 }, { phase: 'leaving', effect: 'close_expired', nextTicks: 4 }],
  ] as const)('at tick %d, being %o, does %o', (now, state, step) =>
    expect(sessionTransition(state, 'tick', now, SETTINGS)).toEqual(step),
  );
});

describe('every phase with every input', () => {
  const inputs: readonly SessionInput[] = ['tick', 'drain', 'end', 'gone'];
  const cases = (['open', 'leaving', 'closed'] as const).flatMap((phase) =>
    inputs.map((input) => [phase, input] as const),
  );
  const ORDER: readonly SessionPhase[] = ['open', 'leaving', 'closed'];

  test.each(cases)('%s, %s: never returns to an earlier phase, and does nothing after the end', (phase, input) => {
    const step = sessionTransition({ ...open, phase, sentTick: 1 }, input, 1000, SETTINGS);
    expect(ORDER.indexOf(step.phase)).toBeGreaterThanOrEqual(ORDER.indexOf(phase));
    if (phase === 'closed' || input === 'gone') expect(step).toEqual({ phase: 'closed', effect: 'none', nextTicks: 0 });
    if (phase === 'leaving') expect(['none', 'close', 'destroy']).toContain(step.effect);
  });

  test('a session that was asked to reconnect is closed soon after', () => {
    expect(sessionTransition({ ...open, phase: 'leaving', sentTick: 1 }, 'tick', 5, SETTINGS)).toEqual({
      phase: 'closed',
      effect: 'destroy',
      nextTicks: 0,
    });
  });
});
