import type { ClientMessage } from '@polycast/protocol';
import { createClock } from './clock.ts';
import { PolycastError } from './errors.ts';
import { createState, step, wakeAtMs } from './machine.ts';
import { endingOf, poll, withTarget, type Hub } from './http.ts';
import { backoffMs } from './machine/backoff.ts';
import type { Effect, Input, MachineSettings, OpenRequest, Phase, State, TransportName } from './machine/state.ts';
import type { Ask } from './publish.ts';
import { sleep, unlessAborted } from './sleep.ts';
import type { Sink } from './subscription.ts';
import type { Answer, OpenTransport, Signal, Transport } from './transports/transport.ts';

export interface DriverOptions {
  readonly settings: MachineSettings;
  readonly openers: Readonly<Record<TransportName, OpenTransport | undefined>>;
  readonly hub: Hub;
  readonly onPhase: (phase: Phase) => void;
  readonly onEffect: (sink: Sink, effect: InnerEffect) => void;
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
  /** Something has changed: cursors, perhaps. */
  readonly onStep: () => void;
}

/** What the application is told of a subscription. */
export type InnerEffect = Extract<Effect, { readonly kind: 'gap' | 'lag' }>;

/** Does what the machine says: it alone knows timers, sockets and requests. */
export interface Driver {
  readonly state: State;
  /** By the number of their subscription, which is to be here before the machine hears of it. */
  readonly sinks: Map<number, Sink>;
  /** Takes in an input; a function is asked for it when its turn comes. */
  dispatch(input: Input | (() => Input)): void;
  /** Asks the open stream to publish; undefined when there is none that can. Rejects when it is lost before it has answered. */
  ask: Ask;
}

interface OpenAttempt {
  transport: Transport | undefined;
  readonly asked: Map<unknown, PromiseWithResolvers<Answer>>;
}

/** A catch-up poll is never held; it gets this many times what a stream gets to be ready. */
const CATCH_UP_PATIENCE = 3;

export function createDriver({ settings, openers, hub, signal, onPhase, onEffect, onStep }: DriverOptions): Driver {
  const clock = createClock();
  const sinks = new Map<number, Sink>();
  const attempts = new Map<number, OpenAttempt>();
  const inputs: (Input | (() => Input))[] = [];
  let state = createState(settings);
  let isRunning = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAtMs = Infinity;
  /** The token of the latest attempt. */
  let token: string | undefined;
  const { tokens } = hub;

  return {
    dispatch,
    ask,
    sinks,
    get state() {
      return state;
    },
  };

  /** What a handler does in the middle of a step comes after it. */
  function dispatch(input: Input | (() => Input)): void {
    inputs.push(input);
    if (isRunning) return;
    isRunning = true;
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const stepped = step(state, typeof next === 'function' ? next() : next, {
        nowMs: clock(),
        chance: Math.random(),
      });
      state = stepped.state;
      stepped.effects.forEach(carryOut);
    }
    isRunning = false;
    setTimer();
    onStep();
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
        attempts.get(effect.attempt)?.transport?.close();
        return forget(effect.attempt);
      case 'place':
        return send(effect.attempt, { op: 'subscribe', ref: effect.id, channels: effect.channels });
      case 'remove':
        return send(effect.attempt, { op: 'unsubscribe', channels: effect.channels });
      case 'catch-up':
        return void catchUp(effect);
      case 'renew':
        return void renew(effect.attempt).catch(ignore);
      case 'auth':
        // If it was refused a moment ago, and there is no other, the stream goes on with the old one until that expires.
        return void tokens.get().then((token = '') => send(effect.attempt, { op: 'auth', token }), ignore);
      case 'refuse':
        return void tokens.refuse(token);
      case 'state':
        onPhase(effect.phase);
        if (effect.phase.kind === 'closed' && effect.phase.problem === undefined)
          for (const id of sinks.keys()) endSink(id);
        return;
      case 'failed':
        return endSink(effect.id, new PolycastError(effect.problem));
      default:
        return carryOutFor(sinks.get(effect.id), effect);
    }
  }

  function send(attempt: number, message: ClientMessage): void {
    attempts.get(attempt)?.transport?.send?.(message);
  }

  function carryOutFor(
    sink: Sink | undefined,
    effect: Extract<Effect, { readonly id: number; readonly kind: 'deliver' | 'joined' }> | InnerEffect,
  ): void {
    if (sink === undefined) return;
    if (effect.kind === 'deliver') return sink.deliver(effect.events);
    if (effect.kind === 'joined') return sink.join();
    onEffect(sink, effect);
  }

  function open(attempt: number, name: TransportName, request: OpenRequest): void {
    const entry: OpenAttempt = { transport: undefined, asked: new Map() };
    attempts.set(attempt, entry);
    const tell = (signal: Signal): void => receive(attempt, signal);
    tokens
      .get()
      .then((given) => {
        token = given;
        if (!attempts.has(attempt)) return;
        dispatch({ kind: 'events', attempt, events: [], cursor: undefined });
        entry.transport = (openers[name] as OpenTransport)({ ...hub, token }, request, tell);
      })
      .catch((error: unknown) => tell({ kind: 'ended', ending: endingOf(error) }));
  }

  function receive(attempt: number, signal: Signal): void {
    const entry = attempts.get(attempt);
    if (entry === undefined) return;
    if (signal.kind === 'answer') return entry.asked.get(signal.message.ref)?.resolve(signal.message);
    if (signal.kind === 'ended') forget(attempt);
    dispatch({ ...signal, attempt });
  }

  function forget(attempt: number): void {
    const entry = attempts.get(attempt);
    attempts.delete(attempt);
    entry?.asked.forEach(({ reject }) => reject());
  }

  /** As long as the stream lasts that it is for: when that has ended, the next attempt asks. */
  async function renew(attempt: number): Promise<void> {
    for (let failures = 0; attempts.has(attempt); failures++) {
      try {
        await tokens.get('expiring');
        return dispatch({ kind: 'token' });
      } catch {
        await sleep(backoffMs(failures, Math.random(), settings.backoffBaseMs, settings.backoffCapMs), signal);
      }
    }
  }

  async function catchUp({ member, start, limit }: Extract<Effect, { kind: 'catch-up' }>): Promise<void> {
    const { id, round, channels, types } = member;
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(settings.readyTimeoutMs * CATCH_UP_PATIENCE)]);
    // `now` has to be said: a poll without a place has nothing to go on from.
    const { history, after = history === undefined ? 'now' : undefined } = start;
    let result;
    try {
      const asked = { types, limit, signal: inTime };
      result = await withTarget(hub, inTime, (to) => poll(to, { channels, after, history }, asked));
    } catch (error) {
      result = endingOf(error);
    }
    dispatch({ kind: 'polled', id, round, result });
  }

  function endSink(id: number, error?: Error): void {
    const sink = sinks.get(id);
    sinks.delete(id);
    sink?.end(error);
  }

  function ask(message: Parameters<Ask>[0], signal: AbortSignal): Promise<Answer> | undefined {
    const entry = state.phase.kind === 'open' ? attempts.get(state.phase.attempt) : undefined;
    if (entry?.transport?.send === undefined) return undefined;
    const asked = Promise.withResolvers<Answer>();
    entry.asked.set(message.ref, asked);
    entry.transport.send(message);
    return unlessAborted(asked.promise, signal).finally(() => entry.asked.delete(message.ref));
  }
}

function ignore(): void {}
