import type { ClientMessage } from '@polycast/protocol';
import { createClock } from './clock.ts';
import { PolycastError } from '../errors.ts';
import { createState, step, wakeAtMs } from '../machine/machine.ts';
import { endingOf, poll, withToken, type HubContext } from '../http.ts';
import { backoffMs } from '../machine/backoff.ts';
import type { Effect, Input, MachineSettings, OpenRequest, Phase, State, TransportName } from '../machine/state.ts';
import type { SendOperation } from './publish.ts';
import { sleep, unlessAborted } from '../sleep.ts';
import type { ConsumerQueue } from './subscription.ts';
import type { Answer, OpenTransport, TransportSignal, Transport } from '../transports/transport.ts';

export interface DriverOptions {
  readonly settings: MachineSettings;
  readonly openers: Readonly<Record<TransportName, OpenTransport | undefined>>;
  readonly hub: HubContext;
  readonly onPhase: (phase: Phase) => void;
  readonly onEffect: (consumerQueue: ConsumerQueue, effect: InnerEffect) => void;
  /** Aborts when the connection is closed. */
  readonly signal: AbortSignal;
  /** Called after each step: cursors may have changed. */
  readonly onStep: () => void;
}

/** An effect that the application sees at a subscription. */
export type InnerEffect = Extract<Effect, { readonly kind: 'gap' | 'lag' }>;

/**
 * The driver executes the effects of the machine: it alone has timers, sockets and requests. For
 * example, the effect `open` opens a WebSocket, and its messages become inputs.
 */
export interface Driver {
  readonly state: State;
  /**
   * The queue of each subscription, by its number. It must be set before the machine's input
   * `subscribe`.
   */
  readonly consumerQueues: Map<number, ConsumerQueue>;
  /** Adds an input; a function is called for its input when its turn comes. */
  dispatch(input: Input | (() => Input)): void;
  /**
   * Publishes over the open stream; undefined without a stream that can. Rejects when the stream is
   * lost before the answer.
   */
  sendOperation: SendOperation;
}

export interface OpenAttempt {
  transport: Transport | undefined;
  readonly pendingAnswers: Map<unknown, PromiseWithResolvers<Answer>>;
}

/**
 * The hub never holds the answer to a catch-up poll. Its timeout is this many times
 * `readyTimeoutMs`.
 */
const CATCH_UP_PATIENCE = 3;

export function createDriver({ settings, openers, hub, signal, onPhase, onEffect, onStep }: DriverOptions): Driver {
  const clock = createClock();
  const consumerQueues = new Map<number, ConsumerQueue>();
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
    sendOperation,
    consumerQueues,
    get state() {
      return state;
    },
  };

  /** Inputs that a handler gives during a step come after that step. */
  function dispatch(input: Input | (() => Input)): void {
    inputs.push(input);
    if (isRunning) return;
    isRunning = true;
    for (let next = inputs.shift(); next; next = inputs.shift()) {
      const stepped = step(state, typeof next === 'function' ? next() : next, {
        nowMs: clock(),
        chance: Math.random(),
      });
      state = stepped.state;
      stepped.effects.forEach(execute);
    }
    isRunning = false;
    setTimer();
    onStep();
  }

  /**
   * One timer serves all waits. It may fire early, when the time that it was set for has moved on.
   */
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

  function execute(effect: Effect): void {
    switch (effect.kind) {
      case 'open':
        return open(effect.attempt, effect.transport, effect.request);
      case 'drop':
        attempts.get(effect.attempt)?.transport?.close();
        return removeAttempt(effect.attempt);
      case 'attach':
        return send(effect.attempt, { op: 'subscribe', ref: effect.id, channels: effect.channels });
      case 'remove':
        return send(effect.attempt, { op: 'unsubscribe', channels: effect.channels });
      case 'catch-up':
        return void catchUp(effect);
      case 'renew':
        return void renew(effect.attempt).catch(() => undefined);
      case 'auth':
        // If `getToken` fails, the stream goes on with the old token until that expires.
        return void tokens.get().then(
          (token = '') => send(effect.attempt, { op: 'auth', token }),
          () => undefined,
        );
      case 'refuse':
        return void tokens.refuse(token);
      case 'state':
        onPhase(effect.phase);
        if (effect.phase.kind === 'closed' && !effect.phase.problem)
          for (const id of consumerQueues.keys()) endConsumerQueue(id);
        return;
      case 'failed':
        return endConsumerQueue(effect.id, new PolycastError(effect.problem));
      default:
        return executeFor(consumerQueues.get(effect.id), effect);
    }
  }

  function send(attempt: number, message: ClientMessage): void {
    attempts.get(attempt)?.transport?.send?.(message);
  }

  function executeFor(
    consumerQueue: ConsumerQueue | undefined,
    effect: Extract<Effect, { readonly id: number; readonly kind: 'deliver' | 'joined' }> | InnerEffect,
  ): void {
    if (!consumerQueue) return;
    if (effect.kind === 'deliver') return consumerQueue.deliver(effect.events);
    if (effect.kind === 'joined') return consumerQueue.markJoined();
    onEffect(consumerQueue, effect);
  }

  function open(attempt: number, name: TransportName, request: OpenRequest): void {
    const entry: OpenAttempt = { transport: undefined, pendingAnswers: new Map() };
    attempts.set(attempt, entry);
    const emit = (signal: TransportSignal): void => receive(attempt, signal);
    tokens
      .get()
      .then((newToken) => {
        token = newToken;
        if (!attempts.has(attempt)) return;
        dispatch({ kind: 'events', attempt, events: [], cursor: undefined });
        entry.transport = (openers[name] as OpenTransport)({ ...hub, token }, request, emit);
      })
      .catch((error: unknown) => emit({ kind: 'ended', ending: endingOf(error) }));
  }

  function receive(attempt: number, signal: TransportSignal): void {
    const entry = attempts.get(attempt);
    if (!entry) return;
    if (signal.kind === 'answer') return entry.pendingAnswers.get(signal.message.ref)?.resolve(signal.message);
    if (signal.kind === 'ended') removeAttempt(attempt);
    dispatch({ ...signal, attempt });
  }

  function removeAttempt(attempt: number): void {
    const entry = attempts.get(attempt);
    attempts.delete(attempt);
    entry?.pendingAnswers.forEach(({ reject }) => reject());
  }

  /**
   * Asks for a new token for as long as its stream lasts. After the end of the stream, the next
   * attempt asks.
   */
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

  async function catchUp({ subscription, start, eventsMax }: Extract<Effect, { kind: 'catch-up' }>): Promise<void> {
    const { id, pollNumber, channels, types } = subscription;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(settings.readyTimeoutMs * CATCH_UP_PATIENCE)]);
    // `now` must be explicit: a poll without a cursor has no start.
    const { history, after = history === undefined ? 'now' : undefined } = start;
    const result = await withToken(hub, deadline, (to) =>
      poll(to, { channels, after, history }, { types, eventsMax, signal: deadline }),
    ).catch(endingOf);
    dispatch({ kind: 'polled', id, pollNumber, result });
  }

  function endConsumerQueue(id: number, error?: PolycastError): void {
    const consumerQueue = consumerQueues.get(id);
    consumerQueues.delete(id);
    consumerQueue?.end(error);
  }

  function sendOperation(message: Parameters<SendOperation>[0], signal: AbortSignal): Promise<Answer> | undefined {
    const entry = state.phase.kind === 'open' ? attempts.get(state.phase.attempt) : undefined;
    if (!entry?.transport?.send) return undefined;
    const pending = Promise.withResolvers<Answer>();
    entry.pendingAnswers.set(message.ref, pending);
    entry.transport.send(message);
    return unlessAborted(pending.promise, signal).finally(() => entry.pendingAnswers.delete(message.ref));
  }
}
