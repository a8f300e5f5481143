import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';
import type { CircuitState, Outcome } from './breaker.ts';
import type { CallEvent } from './calls.ts';

/** Reads each call, and publishes the picture of the last ten seconds ten times a second. */
const { POLYCAST_URL, POLYCAST_KEY } = process.env as Record<string, string>;
const WINDOW_MS = 10_000;
const PUBLISH_MS = 100;
const SAMPLES_MAX = 500; // of one circuit in one step

/** What the dashboard shows of a circuit. */
export interface CircuitView {
  readonly circuit: string;
  readonly state: CircuitState | undefined;
  readonly perSecond: number;
  /** The share of calls that failed, timed out or were rejected. */
  readonly errorShare: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface Overview {
  readonly atMs: number;
  readonly eventsPerSecond: number;
  readonly circuits: readonly CircuitView[];
}

/** The calls of one circuit in one step of 100 ms. */
interface Step {
  readonly outcomes: Record<Outcome, number>;
  readonly samplesMs: number[];
}

const circuits = new Map<string, { state: CircuitState | undefined; readonly steps: Step[] }>();
const connection = connect(POLYCAST_URL as string, { token: POLYCAST_KEY as string });
const hub = createPublisher(POLYCAST_URL as string, {
  key: POLYCAST_KEY as string,
  idempotent: false,
  timeoutMs: 1000,
});
let isSending = false;

connection.subscribe<CallEvent>('calls.*', ({ data }) => {
  let circuit = circuits.get(data.circuit);
  if (circuit === undefined) circuits.set(data.circuit, (circuit = { state: undefined, steps: [emptyStep()] }));
  circuit.state = data.state;
  const step = circuit.steps.at(-1) as Step;
  step.outcomes[data.outcome]++;
  if (data.outcome !== 'rejected' && step.samplesMs.length < SAMPLES_MAX) step.samplesMs.push(data.ms);
});

setInterval(() => {
  const overview = view();
  for (const { steps } of circuits.values()) {
    steps.push(emptyStep());
    if (steps.length > WINDOW_MS / PUBLISH_MS) steps.shift();
  }
  // A hub that is away costs pictures, and nothing else: the next one is complete.
  if (isSending) return;
  isSending = true;
  hub
    .publish('circuits', overview)
    .catch(() => {})
    .finally(() => (isSending = false));
}, PUBLISH_MS);

function view(): Overview {
  const views = [...circuits].map(([circuit, { state, steps }]) => viewOf(circuit, state, steps));
  return {
    atMs: Date.now(),
    eventsPerSecond: views.reduce((sum, { perSecond }) => sum + perSecond, 0),
    circuits: views.toSorted((one, other) => (one.circuit < other.circuit ? -1 : 1)),
  };
}

function viewOf(circuit: string, state: CircuitState | undefined, steps: readonly Step[]): CircuitView {
  const outcomes = emptyStep().outcomes;
  for (const step of steps)
    for (const outcome of Object.keys(outcomes) as Outcome[]) outcomes[outcome] += step.outcomes[outcome];
  const calls = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const samplesMs = steps.flatMap((step) => step.samplesMs).sort((one, other) => one - other);
  const percentile = (share: number): number => round(samplesMs[Math.ceil(samplesMs.length * share) - 1] ?? 0);
  return {
    circuit,
    state,
    perSecond: round((calls * 1000) / (steps.length * PUBLISH_MS)),
    errorShare: calls === 0 ? 0 : round((calls - outcomes.ok) / calls, 1000),
    outcomes,
    p50: percentile(0.5),
    p90: percentile(0.9),
    p99: percentile(0.99),
  };
}

function emptyStep(): Step {
  return { outcomes: { ok: 0, failed: 0, timeout: 0, rejected: 0 }, samplesMs: [] };
}

function round(value: number, precision = 10): number {
  return Math.round(value * precision) / precision;
}
