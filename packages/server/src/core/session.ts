/**
 * The life of a streaming session, apart from what it delivers: when it needs a heartbeat, when it has taken nothing for too
 * long, when it is its turn to go. Pure: (state, input, now) -> {state, effects}; times are ticks of the wheel.
 */
export interface SessionState {
  readonly phase: SessionPhase;
  /** When bytes were last sent. */
  readonly sentTick: number;
  /** Since when the client takes nothing; 0 while it does. */
  readonly blockedTick: number;
  /** When its standing ends; 0 for never. */
  readonly expiresTick: number;
  /** When that has to be said; 0 once it has been, or for never. */
  readonly warnTick: number;
}

/** `leaving`: has been told to go, and is given a moment to take what is left. */
export type SessionPhase = 'open' | 'leaving' | 'closed';

export type SessionInput = 'tick' | 'drain' | 'end' | 'gone';

/** What the transport has to do: at most one at a time. */
export type SessionEffect =
  | 'none'
  | 'heartbeat'
  | 'send_expiring'
  | 'send_draining'
  | 'close_expired'
  | 'close_stalled'
  | 'close'
  | 'destroy';

export interface SessionSettings {
  readonly heartbeatTicks: number;
  readonly stalledTicks: number;
  /** How long a session that was told to go may take for its last bytes. */
  readonly closeTimeoutTicks: number;
}

export interface SessionStep {
  readonly phase: SessionPhase;
  readonly effect: SessionEffect;
  /** When to ask again; 0 for never. */
  readonly nextTicks: number;
}

const CLOSED: SessionStep = { phase: 'closed', effect: 'none', nextTicks: 0 };

/** Every phase with every input; a cell that is missing does not compile. */
const TRANSITIONS: Readonly<
  Record<
    SessionPhase,
    Readonly<Record<SessionInput, (state: SessionState, nowTick: number, settings: SessionSettings) => SessionStep>>
  >
> = {
  open: {
    tick: stepOpen,
    drain: (_state, _nowTick, { closeTimeoutTicks }) => ({
      phase: 'leaving',
      effect: 'send_draining',
      nextTicks: closeTimeoutTicks,
    }),
    end: (_state, _nowTick, { closeTimeoutTicks }) => ({
      phase: 'leaving',
      effect: 'close',
      nextTicks: closeTimeoutTicks,
    }),
    gone: () => CLOSED,
  },
  leaving: {
    tick: () => ({ phase: 'closed', effect: 'destroy', nextTicks: 0 }),
    drain: (_state, _nowTick, { closeTimeoutTicks }) => ({
      phase: 'leaving',
      effect: 'none',
      nextTicks: closeTimeoutTicks,
    }),
    end: (_state, _nowTick, { closeTimeoutTicks }) => ({
      phase: 'leaving',
      effect: 'close',
      nextTicks: closeTimeoutTicks,
    }),
    gone: () => CLOSED,
  },
  closed: { tick: () => CLOSED, drain: () => CLOSED, end: () => CLOSED, gone: () => CLOSED },
};

export function sessionTransition(
  state: SessionState,
  input: SessionInput,
  nowTick: number,
  settings: SessionSettings,
): SessionStep {
  return TRANSITIONS[state.phase][input](state, nowTick, settings);
}

function stepOpen(state: SessionState, nowTick: number, settings: SessionSettings): SessionStep {
  const step = stepLiveness(state, nowTick, settings);
  const { expiresTick, warnTick } = state;
  if (expiresTick === 0 || step.phase !== 'open') return step;
  if (nowTick >= expiresTick)
    return { phase: 'leaving', effect: 'close_expired', nextTicks: settings.closeTimeoutTicks };
  // A heartbeat that is due as well comes with the next tick.
  if (warnTick > 0 && nowTick >= warnTick) {
    const isHeartbeat = step.effect === 'heartbeat';
    return {
      phase: 'open',
      effect: 'send_expiring',
      nextTicks: isHeartbeat ? 1 : Math.min(step.nextTicks, expiresTick - nowTick),
    };
  }
  return { ...step, nextTicks: Math.min(step.nextTicks, (warnTick > 0 ? warnTick : expiresTick) - nowTick) };
}

function stepLiveness(state: SessionState, nowTick: number, settings: SessionSettings): SessionStep {
  if (state.blockedTick > 0) {
    const remainingTicks = state.blockedTick + settings.stalledTicks - nowTick;
    if (remainingTicks <= 0)
      return { phase: 'leaving', effect: 'close_stalled', nextTicks: settings.closeTimeoutTicks };
    return { phase: 'open', effect: 'none', nextTicks: Math.min(remainingTicks, settings.heartbeatTicks) };
  }
  const remainingTicks = state.sentTick + settings.heartbeatTicks - nowTick;
  if (remainingTicks > 0) return { phase: 'open', effect: 'none', nextTicks: remainingTicks };
  return { phase: 'open', effect: 'heartbeat', nextTicks: settings.heartbeatTicks };
}
