/**
 * The lifecycle of a streaming session, apart from its events: heartbeats, stalled clients, expiry
 * and drain. Pure: (state, input, now) -> {state, effects}. Times are ticks of the wheel.
 */
export interface SessionState {
  readonly phase: SessionPhase;
  /** The tick of the last write. */
  readonly sentTick: number;
  /** The tick since which the client takes no bytes; 0 while it takes them. */
  readonly blockedTick: number;
  /** The tick at which its credentials expire; 0 for never. */
  readonly expiresTick: number;
  /** The tick of the warning about that; 0 after the warning, or for never. */
  readonly warnTick: number;
}

/** `leaving`: the session was asked to go, and has a moment to take its last bytes. */
export type SessionPhase = 'open' | 'leaving' | 'closed';

export type SessionInput = 'tick' | 'drain' | 'end' | 'gone';

/** The action for the transport: at most one at a time. */
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
  /** The time that a leaving session has for its last bytes, in ticks. */
  readonly closeTimeoutTicks: number;
}

export interface SessionStep {
  readonly phase: SessionPhase;
  readonly effect: SessionEffect;
  /** Ticks until the next `tick` input; 0 for never. */
  readonly nextTicks: number;
}

type Transition = (state: SessionState, nowTick: number, settings: SessionSettings) => SessionStep;

const CLOSED: SessionStep = { phase: 'closed', effect: 'none', nextTicks: 0 };

/** Every phase with every input. A missing cell does not compile. */
const TRANSITIONS: Readonly<Record<SessionPhase, Readonly<Record<SessionInput, Transition>>>> = {
  open: {
    tick: stepOpen,
    drain: leaveWith('send_draining'),
    end: leaveWith('close'),
    gone: () => CLOSED,
  },
  leaving: {
    tick: () => ({ phase: 'closed', effect: 'destroy', nextTicks: 0 }),
    drain: leaveWith('none'),
    end: leaveWith('close'),
    gone: () => CLOSED,
  },
  closed: { tick: () => CLOSED, drain: () => CLOSED, end: () => CLOSED, gone: () => CLOSED },
};

function leaveWith(effect: SessionEffect): Transition {
  return (_state, _nowTick, { closeTimeoutTicks }) => ({ phase: 'leaving', effect, nextTicks: closeTimeoutTicks });
}

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
  // A heartbeat that is due as well is sent with the next tick.
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
