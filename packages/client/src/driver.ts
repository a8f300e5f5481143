import type { Gap } from '@polycast/protocol';
import { createClock } from './clock.ts';
import { PolycastError } from './errors.ts';
import { endingOf, poll, type Means, type Target } from './http.ts';
import { createState, step, wakeAtMs } from './machine.ts';
import type {
  Effect,
  Input,
  MachineSettings,
  Member,
  OpenRequest,
  Phase,
  State,
  TransportName,
} from './machine/state.ts';
import type { Link } from './publish.ts';
import type { Sink } from './subscription.ts';
import type { Answer, OpenTransport, Signal, Transport } from './transports/transport.ts';

export interface DriverOptions {
  readonly settings: MachineSettings;
  readonly means: Means;
  readonly openers: Readonly<Partial<Record<TransportName, OpenTransport>>>;
  /** The hub, and who asks: asked for before each attempt. */
  readonly target: () => Promise<Target>;
  readonly onPhase: (phase: Phase) => void;
  readonly onGap: (sink: Sink, gap: Gap) => void;
  readonly onLag: (sink: Sink, behind: boolean) => void;
  /** A subscription has ended with an error. */
  readonly onFailed: (sink: Sink, error: Error) => void;
  /** Something has changed: cursors, perhaps. */
  readonly onStep: () => void;
}

/** Does what the machine says: it alone knows timers, sockets and requests. */
export interface Driver {
  /** Takes in an input; a function is asked for it when its turn comes. */
  dispatch(input: Input | (() => Input)): void;
  add(sink: Sink, input: Extract<Input, { kind: 'subscribe' }>): void;
  readonly state: State;
  sinkOf(id: number): Sink | undefined;
  link(): Link | undefined;
}

interface OpenAttempt {
  transport: Transport | undefined;
  readonly asked: Map<string, PromiseWithResolvers<Answer>>;
}

export function createDriver(options: DriverOptions): Driver {
  const { settings, means, openers, target } = options;
  const clock = createClock();
  const sinks = new Map<number, Sink>();
  const attempts = new Map<number, OpenAttempt>();
  const catchUps = new Map<number, AbortController>();
  const inputs: (Input | (() => Input))[] = [];
  let state = createState(settings);
  let isRunning = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAtMs = Infinity;

  return {
    dispatch,
    add,
    sinkOf: (id) => sinks.get(id),
    link,
    get state() {
      return state;
    },
  };

  function add(sink: Sink, input: Extract<Input, { kind: 'subscribe' }>): void {
    sinks.set(input.id, sink);
    dispatch(input);
  }

  /** What a handler does in the middle of a step comes after it. */
  function dispatch(input: Input | (() => Input)): void {
    inputs.push(input);
    if (isRunning) return;
    isRunning = true;
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const moment = { nowMs: clock(), chance: Math.random() };
      const stepped = step(state, typeof next === 'function' ? next() : next, moment);
      state = stepped.state;
      for (const effect of stepped.effects) carryOut(effect);
    }
    isRunning = false;
    setTimer();
    options.onStep();
  }

  /** One timer serves all waits: it may fire early, when what it was set for has moved on. */
  function setTimer(): void {
    const wakeMs = wakeAtMs(state);
    if (wakeMs >= timerAtMs && wakeMs !== Infinity) return;
    clearTimeout(timer);
    timerAtMs = wakeMs;
    if (wakeMs !== Infinity) timer = setTimeout(tick, Math.max(0, wakeMs - clock()));
  }

  function tick(): void {
    timerAtMs = Infinity;
    if (wakeAtMs(state) > clock()) setTimer();
    else dispatch({ kind: 'tick' });
  }

  function carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'open':
        return open(effect.attempt, effect.transport, effect.request);
      case 'drop':
        return drop(effect.attempt);
      case 'place':
        return attempts
          .get(effect.attempt)
          ?.transport?.send?.({ op: 'subscribe', ref: effect.id, channels: effect.channels, ...given(effect.start) });
      case 'remove':
        return attempts.get(effect.attempt)?.transport?.send?.({ op: 'unsubscribe', channels: effect.channels });
      case 'catch-up':
        return void catchUp(effect);
      case 'deliver':
        return sinks.get(effect.id)?.deliver(effect.events);
      case 'gap':
        return withSink(effect.id, (sink) => options.onGap(sink, effect.gap));
      case 'lag':
        return withSink(effect.id, (sink) => options.onLag(sink, effect.behind));
      case 'joined':
        return sinks.get(effect.id)?.join();
      case 'failed':
        return endSink(effect.id, new PolycastError(effect.problem));
      case 'state':
        return showPhase(effect.phase);
    }
  }

  function open(attempt: number, name: TransportName, request: OpenRequest): void {
    const entry: OpenAttempt = { transport: undefined, asked: new Map() };
    attempts.set(attempt, entry);
    const tell = (signal: Signal): void => receive(attempt, signal);
    target()
      .then((target) => {
        if (attempts.has(attempt)) entry.transport = (openers[name] as OpenTransport)(means, target, request, tell);
      })
      .catch((error: unknown) => receive(attempt, { kind: 'ended', ending: endingOf(error) }));
  }

  function receive(attempt: number, signal: Signal): void {
    const entry = attempts.get(attempt);
    if (entry === undefined) return;
    if (signal.kind === 'answer') return entry.asked.get(String(signal.message.ref))?.resolve(signal.message);
    if (signal.kind === 'ended') forget(attempt);
    dispatch({ ...signal, attempt });
  }

  function drop(attempt: number): void {
    attempts.get(attempt)?.transport?.close();
    forget(attempt);
  }

  function forget(attempt: number): void {
    const asked = attempts.get(attempt)?.asked.values() ?? [];
    attempts.delete(attempt);
    for (const { reject } of asked) reject(new Error('The stream was lost.'));
  }

  async function catchUp({ member, start, limit }: Extract<Effect, { kind: 'catch-up' }>): Promise<void> {
    const { id, poll: number, channels, types } = member;
    catchUps.get(id)?.abort();
    const controller = new AbortController();
    const { signal } = controller;
    catchUps.set(id, controller);
    // `now` has to be said: a poll without a place has nothing to go on from.
    const { after = start.history === undefined ? 'now' : undefined, history } = start;
    const timeout = AbortSignal.timeout(settings.readyTimeoutMs * CATCH_UP_PATIENCE);
    try {
      const options = { types, limit, signal: AbortSignal.any([signal, timeout]) };
      const { answer } = await poll(means, await target(), { channels, after, history }, options);
      if (!signal.aborted) dispatch({ ...answer, kind: 'caught-up', id, poll: number });
    } catch (error) {
      if (!signal.aborted) dispatch({ kind: 'not-caught-up', id, poll: number, ending: endingOf(error) });
    } finally {
      if (catchUps.get(id) === controller) catchUps.delete(id);
    }
  }

  function endSink(id: number, error?: Error): void {
    catchUps.get(id)?.abort();
    const sink = sinks.get(id);
    sinks.delete(id);
    sink?.end(error);
    if (sink !== undefined && error !== undefined) options.onFailed(sink, error);
  }

  function showPhase(phase: Phase): void {
    options.onPhase(phase);
    if (phase.name === 'closed' && phase.problem === undefined) for (const id of sinks.keys()) endSink(id);
  }

  function withSink(id: number, use: (sink: Sink) => void): void {
    const sink = sinks.get(id);
    if (sink !== undefined) use(sink);
  }

  function link(): Link | undefined {
    const entry = state.phase.name === 'open' ? attempts.get(state.phase.attempt) : undefined;
    const transport = entry?.transport;
    if (entry === undefined || transport?.send === undefined) return undefined;
    return {
      ask: (message) => {
        const asked = Promise.withResolvers<Answer>();
        entry.asked.set(message.ref, asked);
        transport.send?.(message);
        return asked.promise.finally(() => entry.asked.delete(message.ref));
      },
    };
  }
}

/** A catch-up poll is never held; it gets this many times what a stream gets to be ready. */
const CATCH_UP_PATIENCE = 3;

function given({ after, history }: Member['start']): { after?: string; history?: number } {
  if (after !== undefined) return { after };
  return history === undefined ? {} : { history };
}
