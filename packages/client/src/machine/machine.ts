import { receiveFromStream } from './subscription-state.ts';
import { reconcileSubscriptions } from './attaching.ts';
import {
  onSignOfLife,
  openDropped,
  openExpiring,
  openGap,
  openNetwork,
  openAttached,
  openStream,
  openTick,
  openToken,
  onSuccessorInput,
} from './open.ts';
import { close, failAttempt, loseStream } from './transitions.ts';
import {
  hasAttempt,
  type Connecting,
  type Draft,
  type Effect,
  type Input,
  type InputKind,
  type InputOf,
  type MachineSettings,
  type Moment,
  type Open,
  type PhaseName,
  type PhaseOf,
  type State,
  type TransportInput,
} from './state.ts';
import { closedSubscribe, drained, firstSubscribe, polled, subscribe, unsubscribe } from './subscriptions.ts';
import {
  extendReadyTimeout,
  connectingNetwork,
  connectingTick,
  hint,
  waitingNetwork,
  waitingTick,
} from './connecting.ts';

/**
 * The client as a pure state machine: (state, input, moment) -> (state, effects). For example, the
 * input `subscribe` in the phase `open` gives the effect `attach`. The driver (`driver.ts`) has the
 * clocks, sockets, timers and storage.
 */
export function step(
  state: State,
  input: Input,
  moment: Moment,
): { readonly state: State; readonly effects: readonly Effect[] } {
  const subscriptions = state.subscriptions.map((subscription) => ({ ...subscription }));
  const draft: Draft = { ...state, ...moment, phase: { ...state.phase }, subscriptions, effects: [] };
  const woke = input.kind === 'tick' && moment.nowMs - wakeAtMs(state) > state.settings.sleepThresholdMs;
  if (woke) dispatch(draft, { kind: 'network' });
  dispatch(draft, input);
  if (draft.subscriptions.length > 0) reconcileSubscriptions(draft);
  else linger(draft, state);
  const { effects } = draft;
  if (draft.phase.kind !== state.phase.kind || transportOf(draft) !== transportOf(state))
    effects.unshift({ kind: 'state', phase: draft.phase });
  return { state: draft, effects };
}

export function createState(settings: MachineSettings): State {
  return {
    settings,
    phase: { kind: 'idle' },
    subscriptions: [],
    position: '',
    attempts: 0,
    provenTransport: undefined,
    provenFailures: 0,
    failures: 0,
    probes: 0,
    hintMs: 0,
    retriedWithNewToken: false,
    oneByOne: false,
  };
}

/**
 * Without a subscription an open stream stays open for `lingerMs`: a new subscription often follows
 * the end of the last one.
 */
function linger(draft: Draft, before: State): void {
  const { phase, nowMs } = draft;
  if (phase.kind === 'closed') return;
  if (phase.kind === 'open') {
    if (before.subscriptions.length > 0) phase.lingerUntilMs = nowMs + draft.settings.lingerMs;
    if (nowMs < phase.lingerUntilMs) return;
  }
  close(draft, '');
  draft.phase = { kind: 'idle' };
}

/** The time of the next `tick`; Infinity when the machine waits for nothing. */
export function wakeAtMs({ phase, subscriptions }: State): number {
  if (phase.kind !== 'open') return (phase as Connecting).untilMs ?? Infinity;
  const { untilMs, probeAtMs, successor } = phase;
  if (subscriptions.length === 0) return phase.lingerUntilMs;
  return Math.min(
    untilMs,
    probeAtMs,
    successor?.untilMs ?? Infinity,
    ...subscriptions.map(({ retryAtMs }) => retryAtMs),
  );
}

type Cell<Name extends PhaseName, Kind extends InputKind> = (
  draft: Draft,
  input: InputOf<Kind>,
  phase: PhaseOf<Name>,
) => void;

/**
 * The inputs that a phase receives. Inputs from a transport reach only the phases that have one.
 */
type KindsIn<Name extends PhaseName> = Name extends 'connecting' | 'open'
  ? InputKind
  : Exclude<InputKind, TransportInput['kind']>;

type Row<Name extends PhaseName> = { readonly [Kind in KindsIn<Name>]: Cell<Name, Kind> };

const SUBSCRIPTION_CELLS = { subscribe, unsubscribe, drained, polled, close: (draft: Draft) => close(draft, 'closed') };
const WITHOUT_STREAM = { ...SUBSCRIPTION_CELLS, tick: ignore, token: ignore, network: ignore };
/** Defaults for inputs that only one of the two phases with a transport handles. */
const STREAMING = {
  ...WITHOUT_STREAM,
  ready: ignore,
  gap: ignore,
  hint,
  dropped: ignore,
  expiring: ignore,
  attached: ignore,
};

/** Every phase handles every input: a missing cell is a compile error. */
const TABLE: { readonly [Name in PhaseName]: Row<Name> } = {
  idle: { ...WITHOUT_STREAM, subscribe: firstSubscribe },
  waiting: { ...WITHOUT_STREAM, tick: waitingTick, network: waitingNetwork },
  connecting: {
    ...STREAMING,
    ready: openStream,
    events: extendReadyTimeout,
    ended: failAttempt,
    tick: connectingTick,
    network: connectingNetwork,
  },
  open: {
    ...STREAMING,
    events: receiveFromStream,
    gap: openGap,
    dropped: openDropped,
    expiring: openExpiring,
    attached: openAttached,
    ended: loseStream,
    tick: openTick,
    token: openToken,
    network: openNetwork,
  },
  closed: { ...WITHOUT_STREAM, subscribe: closedSubscribe, close: ignore },
};

/** Calls the cell of the phase and the input. The type of the table has checked that they fit. */
function dispatch(draft: Draft, input: Input): void {
  const { phase } = draft;
  if (hasAttempt(input)) {
    // Inputs of a dropped transport are ignored.
    if (!hasAttempt(phase)) return;
    if (phase.kind === 'open' && input.attempt === phase.successor?.attempt)
      return onSuccessorInput(draft, input, phase);
    if (input.attempt !== phase.attempt) return;
    if (phase.kind === 'open') onSignOfLife(draft, phase);
  }
  const row = TABLE[phase.kind] as Record<InputKind, Cell<PhaseName, InputKind>>;
  row[input.kind](draft, input, phase);
}

function transportOf({ phase }: State): string | undefined {
  return (phase as Open).transport;
}

function ignore(): void {}
