import {
  caughtUp,
  closed,
  closedSubscribe,
  firstSubscribe,
  notCaughtUp,
  room,
  subscribe,
  unsubscribe,
} from './machine/consumers.ts';
import {
  connectingEnded,
  connectingEvents,
  connectingHint,
  connectingNetwork,
  connectingReady,
  connectingTick,
  waitingNetwork,
  waitingTick,
} from './machine/connecting.ts';
import { close } from './machine/flow.ts';
import {
  openEnded,
  openEvents,
  openGap,
  openHint,
  openNetwork,
  openNotPlaced,
  openPlaced,
  openReady,
  openTick,
} from './machine/open.ts';
import { settleMembers } from './machine/placing.ts';
import type {
  Draft,
  Effect,
  Input,
  InputKind,
  InputOf,
  MachineSettings,
  Moment,
  PhaseName,
  PhaseOf,
  State,
} from './machine/state.ts';

/**
 * The client as a pure machine: what happened, and when, goes in; the next state and what is to be done come out. Clocks,
 * sockets, timers and storage are the driver's (`driver.ts`).
 */
export function step(
  state: State,
  input: Input,
  moment: Moment,
): { readonly state: State; readonly effects: readonly Effect[] } {
  const draft: Draft = { ...state, effects: [] };
  const woke = input.kind === 'tick' && moment.nowMs - wakeAtMs(state) > state.settings.wokeLateMs;
  if (woke) cross(draft, { kind: 'network' }, moment);
  cross(draft, input, moment);
  settleMembers(draft, moment);
  const { phase } = draft;
  if (draft.members.length === 0 && phase.name !== 'idle' && phase.name !== 'closed') {
    close(draft, '', undefined);
    draft.phase = { name: 'idle' };
  }
  const { effects, ...next } = draft;
  if (looksOther(state, next)) effects.unshift({ kind: 'state', phase: next.phase });
  return { state: next, effects };
}

export function createState(settings: MachineSettings): State {
  return {
    settings,
    phase: { name: 'idle' },
    members: [],
    position: undefined,
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

/** When the machine wants its next `tick`; Infinity when it waits for nothing. */
export function wakeAtMs({ phase, members }: State): number {
  if (phase.name === 'idle' || phase.name === 'closed') return Infinity;
  if (phase.name !== 'open') return phase.untilMs;
  const { untilMs, probeAtMs, successor } = phase;
  return Math.min(untilMs, probeAtMs, successor?.untilMs ?? Infinity, ...members.map(({ retryAtMs }) => retryAtMs));
}

type Cell<Name extends PhaseName, Kind extends InputKind> = (
  draft: Draft,
  input: InputOf<Kind>,
  moment: Moment,
  phase: PhaseOf<Name>,
) => void;

type Table = { readonly [Name in PhaseName]: { readonly [Kind in InputKind]: Cell<Name, Kind> } };

/** Every phase meets every input: a cell that is missing does not compile. */
const TABLE: Table = {
  idle: {
    subscribe: firstSubscribe,
    unsubscribe: ignore,
    room: ignore,
    'caught-up': ignore,
    'not-caught-up': ignore,
    ready: ignore,
    events: ignore,
    gap: ignore,
    hint: ignore,
    placed: ignore,
    'not-placed': ignore,
    ended: ignore,
    tick: ignore,
    network: ignore,
    close: closed,
  },
  waiting: {
    subscribe,
    unsubscribe,
    room,
    'caught-up': caughtUp,
    'not-caught-up': notCaughtUp,
    ready: ignore,
    events: ignore,
    gap: ignore,
    hint: ignore,
    placed: ignore,
    'not-placed': ignore,
    ended: ignore,
    tick: waitingTick,
    network: waitingNetwork,
    close: closed,
  },
  connecting: {
    subscribe,
    unsubscribe,
    room,
    'caught-up': caughtUp,
    'not-caught-up': notCaughtUp,
    ready: connectingReady,
    events: connectingEvents,
    gap: ignore,
    hint: connectingHint,
    placed: ignore,
    'not-placed': ignore,
    ended: connectingEnded,
    tick: connectingTick,
    network: connectingNetwork,
    close: closed,
  },
  open: {
    subscribe,
    unsubscribe,
    room,
    'caught-up': caughtUp,
    'not-caught-up': notCaughtUp,
    ready: openReady,
    events: openEvents,
    gap: openGap,
    hint: openHint,
    placed: openPlaced,
    'not-placed': openNotPlaced,
    ended: openEnded,
    tick: openTick,
    network: openNetwork,
    close: closed,
  },
  closed: {
    subscribe: closedSubscribe,
    unsubscribe: ignore,
    room: ignore,
    'caught-up': ignore,
    'not-caught-up': ignore,
    ready: ignore,
    events: ignore,
    gap: ignore,
    hint: ignore,
    placed: ignore,
    'not-placed': ignore,
    ended: ignore,
    tick: ignore,
    network: ignore,
    close: ignore,
  },
};

/** Finds the cell. The table's own type has checked that it fits its phase and its input. */
function cross(draft: Draft, input: Input, moment: Moment): void {
  const { phase } = draft;
  const cell = TABLE[phase.name][input.kind] as Cell<PhaseName, InputKind>;
  cell(draft, input, moment, phase);
}

function ignore(): void {}

function looksOther(before: Omit<State, 'effects'>, after: Omit<State, 'effects'>): boolean {
  const [one, other] = [before.phase, after.phase];
  if (one.name !== other.name) return true;
  if (one.name === 'connecting' || one.name === 'open') return one.transport !== (other as typeof one).transport;
  return false;
}
