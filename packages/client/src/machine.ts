import { takeFromStream } from './machine/members.ts';
import { settleMembers } from './machine/placing.ts';
import {
  heard,
  openDropped,
  openExpiring,
  openGap,
  openNetwork,
  openPlaced,
  openStream,
  openTick,
  openToken,
  successorTells,
} from './machine/open.ts';
import { close, fail, lose } from './machine/flow.ts';
import {
  isStreaming,
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
} from './machine/state.ts';
import { closedSubscribe, drained, firstSubscribe, polled, subscribe, unsubscribe } from './machine/consumers.ts';
import {
  signOfLife,
  connectingNetwork,
  connectingTick,
  hint,
  waitingNetwork,
  waitingTick,
} from './machine/connecting.ts';

/**
 * The client as a pure machine: what happened, and when, goes in; the next state and what is to be done come out. Clocks,
 * sockets, timers and storage are the driver's (`driver.ts`).
 */
export function step(
  state: State,
  input: Input,
  moment: Moment,
): { readonly state: State; readonly effects: readonly Effect[] } {
  const members = state.members.map((member) => ({ ...member }));
  const draft: Draft = { ...state, ...moment, phase: { ...state.phase }, members, effects: [] };
  const woke = input.kind === 'tick' && moment.nowMs - wakeAtMs(state) > state.settings.wokeLateMs;
  if (woke) cross(draft, { kind: 'network' });
  cross(draft, input);
  if (draft.members.length > 0) settleMembers(draft);
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
    members: [],
    position: '',
    attempts: 0,
    proven: undefined,
    strikes: 0,
    failures: 0,
    probes: 0,
    hintMs: 0,
    renewed: false,
    singly: false,
  };
}

/** Without a subscription an open stream goes on for a moment: often the next subscription follows the last one's end. */
function linger(draft: Draft, before: State): void {
  const { phase, nowMs } = draft;
  if (phase.kind === 'closed') return;
  if (phase.kind === 'open') {
    if (before.members.length > 0) phase.lingerUntilMs = nowMs + draft.settings.lingerMs;
    if (nowMs < phase.lingerUntilMs) return;
  }
  close(draft, '');
  draft.phase = { kind: 'idle' };
}

/** When the machine wants its next `tick`; Infinity when it waits for nothing. */
export function wakeAtMs({ phase, members }: State): number {
  if (phase.kind !== 'open') return (phase as Connecting).untilMs ?? Infinity;
  const { untilMs, probeAtMs, successor } = phase;
  if (members.length === 0) return phase.lingerUntilMs;
  return Math.min(untilMs, probeAtMs, successor?.untilMs ?? Infinity, ...members.map(({ retryAtMs }) => retryAtMs));
}

type Cell<Name extends PhaseName, Kind extends InputKind> = (
  draft: Draft,
  input: InputOf<Kind>,
  phase: PhaseOf<Name>,
) => void;

/** What a transport tells reaches only those phases that have one. */
type KindsIn<Name extends PhaseName> = Name extends 'connecting' | 'open'
  ? InputKind
  : Exclude<InputKind, TransportInput['kind']>;

type Row<Name extends PhaseName> = { readonly [Kind in KindsIn<Name>]: Cell<Name, Kind> };

const CONSUMERS = { subscribe, unsubscribe, drained, polled, close: (draft: Draft) => close(draft, 'closed') };
const AT_REST = { ...CONSUMERS, tick: ignore, token: ignore, network: ignore };
/** What matters in one phase that has a transport, and not in the other. */
const STREAMING = {
  ...AT_REST,
  ready: ignore,
  gap: ignore,
  hint,
  dropped: ignore,
  expiring: ignore,
  placed: ignore,
};

/** Every phase meets every input: a cell that is missing does not compile. */
const TABLE: { readonly [Name in PhaseName]: Row<Name> } = {
  idle: { ...AT_REST, subscribe: firstSubscribe },
  waiting: { ...AT_REST, tick: waitingTick, network: waitingNetwork },
  connecting: {
    ...STREAMING,
    ready: openStream,
    events: signOfLife,
    ended: fail,
    tick: connectingTick,
    network: connectingNetwork,
  },
  open: {
    ...STREAMING,
    events: takeFromStream,
    gap: openGap,
    dropped: openDropped,
    expiring: openExpiring,
    placed: openPlaced,
    ended: lose,
    tick: openTick,
    token: openToken,
    network: openNetwork,
  },
  closed: { ...AT_REST, subscribe: closedSubscribe, close: ignore },
};

/** Finds the cell. The table's own type has checked that it fits its phase and its input. */
function cross(draft: Draft, input: Input): void {
  const { phase } = draft;
  if (isTransportInput(input)) {
    // What a transport tells after it was dropped is nobody's.
    if (!isStreaming(phase)) return;
    if (phase.kind === 'open' && input.attempt === phase.successor?.attempt) return successorTells(draft, input, phase);
    if (input.attempt !== phase.attempt) return;
    if (phase.kind === 'open') heard(draft, phase);
  }
  const cell = (TABLE[phase.kind] as Row<'open'>)[input.kind] as Cell<PhaseName, InputKind>;
  cell(draft, input, phase);
}

function isTransportInput(input: Input): input is TransportInput {
  return (input as TransportInput).attempt !== undefined;
}

function transportOf({ phase }: State): string | undefined {
  return (phase as Open).transport;
}

function ignore(): void {}
