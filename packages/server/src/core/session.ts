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
  | 'say_expiring'
  | 'say_draining'
  | 'close_expired'
  | 'close_stalled'
  | 'close'
  | 'destroy';

export interface SessionSettings {
  readonly heartbeatTicks: number;
  readonly stalledTicks: number;
  /** How long a session that was told to go may take for its last bytes. */
  readonly leaveTicks: number;
}

export interface SessionStep {
  readonly phase: SessionPhase;
  readonly effect: SessionEffect;
  /** When to ask again; 0 for never. */
  readonly nextTicks: number;
}

const GONE: SessionStep = { phase: 'closed', effect: 'none', nextTicks: 0 };

/** Every phase with every input; a cell that is missing does not compile. */
const TABLE: Readonly<
  Record<
    SessionPhase,
    Readonly<Record<SessionInput, (state: SessionState, nowTick: number, settings: SessionSettings) => SessionStep>>
  >
> = {
  open: {
    tick: whileOpen,
    drain: (_state, _nowTick, { leaveTicks }) => ({ phase: 'leaving', effect: 'say_draining', nextTicks: leaveTicks }),
    end: (_state, _nowTick, { leaveTicks }) => ({ phase: 'leaving', effect: 'close', nextTicks: leaveTicks }),
    gone: () => GONE,
  },
  leaving: {
    tick: () => ({ phase: 'closed', effect: 'destroy', nextTicks: 0 }),
    drain: (_state, _nowTick, { leaveTicks }) => ({ phase: 'leaving', effect: 'none', nextTicks: leaveTicks }),
    end: (_state, _nowTick, { leaveTicks }) => ({ phase: 'leaving', effect: 'close', nextTicks: leaveTicks }),
    gone: () => GONE,
  },
  closed: { tick: () => GONE, drain: () => GONE, end: () => GONE, gone: () => GONE },
};

export function stepSession(
  state: SessionState,
  input: SessionInput,
  nowTick: number,
  settings: SessionSettings,
): SessionStep {
  return TABLE[state.phase][input](state, nowTick, settings);
}

function whileOpen(state: SessionState, nowTick: number, settings: SessionSettings): SessionStep {
  const step = whileStanding(state, nowTick, settings);
  const { expiresTick, warnTick } = state;
  if (expiresTick === 0 || step.phase !== 'open') return step;
  if (nowTick >= expiresTick) return { phase: 'leaving', effect: 'close_expired', nextTicks: settings.leaveTicks };
  // A heartbeat that is due as well comes with the next tick.
  if (warnTick > 0 && nowTick >= warnTick) {
    const isHeartbeat = step.effect === 'heartbeat';
    return {
      phase: 'open',
      effect: 'say_expiring',
      nextTicks: isHeartbeat ? 1 : Math.min(step.nextTicks, expiresTick - nowTick),
    };
  }
  return { ...step, nextTicks: Math.min(step.nextTicks, (warnTick > 0 ? warnTick : expiresTick) - nowTick) };
}

function whileStanding(state: SessionState, nowTick: number, settings: SessionSettings): SessionStep {
  if (state.blockedTick > 0) {
    const left = state.blockedTick + settings.stalledTicks - nowTick;
    if (left <= 0) return { phase: 'leaving', effect: 'close_stalled', nextTicks: settings.leaveTicks };
    return { phase: 'open', effect: 'none', nextTicks: Math.min(left, settings.heartbeatTicks) };
  }
  const left = state.sentTick + settings.heartbeatTicks - nowTick;
  if (left > 0) return { phase: 'open', effect: 'none', nextTicks: left };
  return { phase: 'open', effect: 'heartbeat', nextTicks: settings.heartbeatTicks };
}
