import { matches, problem, type Gap, type PolycastEvent } from '@polycast/protocol';
import { createState, step, wakeAtMs } from '../machine/machine.ts';
import type {
  Effect,
  Ending,
  Input,
  MachineSettings,
  OpenRequest,
  Start,
  State,
  TransportName,
} from '../machine/state.ts';
import { covers, cursorOf, positionOf } from './cursors.ts';
import { checkComplete, checkPhase, checkMonotonic, checkDelivered, type Consumer } from './invariants.ts';

/**
 * A stream as the hub sees it. The events of a `subscribe` come before any newer event (PROTOCOL.md
 * section 7.3).
 */
interface Stream {
  readonly transport: TransportName;
  readonly request: OpenRequest;
  channels: readonly string[];
  /** Undefined until it has sent `ready`. */
  position: number | undefined;
  missed: PolycastEvent[];
  operations: Extract<Effect, { kind: 'attach' | 'remove' }>[];
}

const REFUSAL = problem('forbidden', undefined, { channel: 'a.1' });

export const SETTINGS: MachineSettings = {
  transports: ['websocket', 'sse', 'long-poll', 'short-poll'],
  readyTimeoutMs: 5000,
  heartbeatMarginMs: 5000,
  stableMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  probeBaseMs: 30_000,
  probeCapMs: 600_000,
  sleepThresholdMs: 90_000,
  lingerMs: 1000,
  heldEventsMax: 4,
  channelsMax: 100,
  tokenRenewable: false,
};

/**
 * A simulated hub and network in one turn of the event loop, for the machine alone. It does what
 * PROTOCOL.md says, in small steps that a test calls, and checks the invariants after each step.
 */
export class SimulatedHub {
  state: State;
  nowMs = 0;
  readonly log: PolycastEvent[] = [];
  readonly consumers = new Map<number, Consumer>();
  readonly streams = new Map<number, Stream>();
  readonly polls = new Map<number, Extract<Effect, { kind: 'catch-up' }>>();
  readonly transportsSeen: TransportName[] = [];
  /** Retention has removed the events up to here. */
  trimmedThrough = 0;
  readonly phases: string[] = [];
  readonly gaps: Gap[] = [];
  /** The machine's effects for credentials. */
  readonly credentialEffects: ('renew' | 'auth' | 'refuse')[] = [];
  /** A channel that a rule no longer allows. */
  forbidden: string | undefined;
  /** The log was rolled back: cursors may go back, once. */
  allowsGoingBack = false;
  readonly #opened: number[] = [];
  #nextId = 1;
  #chance = 0;

  constructor(settings: Partial<MachineSettings> = {}) {
    this.state = createState({ ...SETTINGS, ...settings });
  }

  publish(channel: string, type?: string): void {
    const id = cursorOf(this.log.length + 1);
    this.log.push({ id, channel, time: '', data: null, ...(type === undefined ? {} : { type }) });
  }

  subscribe(channels: readonly string[], start: Start = {}, bufferMax = Infinity, types?: readonly string[]): number {
    const id = this.#nextId++;
    this.consumers.set(id, {
      channels,
      types,
      start,
      delivered: [],
      gaps: [],
      joinedAt: undefined,
      bufferMax,
      buffered: 0,
      failed: false,
    });
    this.input({ kind: 'subscribe', id, channels, types, start, capacity: bufferMax });
    return id;
  }

  unsubscribe(id: number): void {
    this.consumers.delete(id);
    this.input({ kind: 'unsubscribe', id });
  }

  /** A consumer takes everything out of its buffer. */
  consume(id: number): void {
    const consumer = this.consumers.get(id);
    if (consumer === undefined || consumer.buffered === 0) return;
    consumer.buffered = 0;
    this.input({ kind: 'drained', id, capacity: consumer.bufferMax });
  }

  advance(ms: number): void {
    this.nowMs += ms;
    if (this.nowMs >= wakeAtMs(this.state)) this.input({ kind: 'tick' });
  }

  /** Moves the clock to the machine's next `tick`. */
  wake(): void {
    const atMs = wakeAtMs(this.state);
    if (atMs === Infinity) return;
    this.nowMs = Math.max(this.nowMs, atMs);
    this.input({ kind: 'tick' });
  }

  ready(attempt: number): void {
    const stream = this.streams.get(attempt);
    if (stream === undefined || stream.position !== undefined) return;
    if (this.#isForbidden(stream.request.channels))
      return this.end(attempt, { kind: 'refused', problem: REFUSAL, hintMs: 0 });
    stream.position = this.#startOf(stream.request);
    this.input({ kind: 'ready', attempt, cursor: cursorOf(stream.position), heartbeatMs: 25_000 });
  }

  /** Delivers at most `countMax` next events of a stream; a heartbeat when there is none. */
  flow(attempt: number, countMax: number): void {
    const stream = this.streams.get(attempt);
    if (stream?.position === undefined) return;
    if (stream.missed.length > 0) {
      for (const event of stream.missed.splice(0, countMax))
        this.input({ kind: 'events', attempt, events: [event], cursor: undefined });
      return;
    }
    const gap = this.#gapAfter(stream.position);
    if (gap !== undefined) {
      stream.position = this.trimmedThrough;
      this.input({ kind: 'gap', attempt, gap });
    }
    const events: PolycastEvent[] = [];
    while (stream.position < this.log.length && events.length < countMax) {
      const event = this.log[stream.position++] as PolycastEvent;
      if (stream.channels.some((pattern) => matches(pattern, event.channel))) events.push(event);
    }
    const cursor = events.length < countMax ? cursorOf(stream.position) : undefined;
    this.input({ kind: 'events', attempt, events, cursor });
  }

  /** Answers the oldest operation of a stream. */
  operate(attempt: number, refusal?: 'forbidden' | 'rate_limited'): void {
    const stream = this.streams.get(attempt);
    const operation =
      stream?.position === undefined || stream.missed.length > 0 ? undefined : stream.operations.shift();
    if (stream?.position === undefined || operation === undefined) return;
    if (operation.kind === 'remove') {
      stream.channels = stream.channels.filter((channel) => !operation.channels.includes(channel));
      return;
    }
    const isForbidden = this.#isForbidden(operation.channels);
    if (refusal !== undefined || isForbidden) {
      const refused = isForbidden ? REFUSAL : problem(refusal ?? 'forbidden');
      return this.input({ kind: 'attached', attempt, id: operation.id, cursor: '', problem: refused });
    }
    stream.channels = [...new Set([...stream.channels, ...operation.channels])];
    this.input({ kind: 'attached', attempt, id: operation.id, cursor: cursorOf(stream.position), problem: undefined });
  }

  answerPoll(id: number): void {
    const poll = this.polls.get(id);
    if (poll === undefined) return;
    this.polls.delete(id);
    const { start, eventsMax } = poll;
    const { channels, types, pollNumber } = poll.subscription;
    if (this.#isForbidden(channels))
      return this.input({ kind: 'polled', id, pollNumber, result: { kind: 'refused', problem: REFUSAL, hintMs: 0 } });
    const from = this.#startOf({
      channels,
      after: start.after ?? (start.history === undefined ? 'now' : undefined),
      history: start.history,
    });
    const gap = this.#gapAfter(from);
    const matching = this.log
      .slice(Math.max(from, this.trimmedThrough))
      .filter((event) => covers(channels, event) && (types === undefined || types.includes(event.type ?? '')));
    const events = matching.slice(0, eventsMax);
    const cursor = events.length < matching.length ? (events.at(-1) as PolycastEvent).id : cursorOf(this.log.length);
    this.input({
      kind: 'polled',
      id,
      pollNumber: poll.subscription.pollNumber,
      result: {
        events,
        gaps: gap === undefined ? [] : [gap],
        cursor,
        ...(events.length < matching.length ? { more: true as const } : {}),
      },
    });
  }

  /**
   * Forbids this channel to all clients: streams that take operations lose it, others end
   * (PROTOCOL.md section 13.4).
   */
  forbid(channel: string): void {
    this.forbidden = channel;
    for (const [attempt, stream] of this.streams) {
      if (stream.position === undefined || !this.#isForbidden(stream.channels)) continue;
      if (stream.transport !== 'websocket') this.end(attempt, { kind: 'lost', why: 'ended' });
      else {
        stream.channels = stream.channels.filter((each) => each !== channel);
        this.input({ kind: 'dropped', attempt, channels: [channel] });
      }
    }
  }

  failPoll(id: number): void {
    const pollNumber = this.polls.get(id)?.subscription.pollNumber ?? -1;
    if (this.polls.delete(id)) this.input({ kind: 'polled', id, pollNumber, result: { kind: 'lost', why: 'cut' } });
  }

  end(attempt: number, ending: Ending): void {
    if (this.streams.delete(attempt)) this.input({ kind: 'ended', attempt, ending });
  }

  input(input: Input): void {
    const before = this.state;
    this.#chance = (this.#chance + 0.37) % 1;
    const { state, effects } = step(before, input, { nowMs: this.nowMs, chance: this.#chance });
    this.state = state;
    if (!this.allowsGoingBack) checkMonotonic(before, state);
    for (const effect of effects) this.#execute(effect);
    // The token of the attempt has arrived.
    for (const attempt of this.#opened.splice(0))
      this.input({ kind: 'events', attempt, events: [], cursor: undefined });
    checkPhase(this.state, this.streams.size);
  }

  /** Ends all faults: runs until no work is left. */
  recover(): void {
    for (let round = 0; round < 300; round++) {
      for (const id of this.consumers.keys()) this.consume(id);
      if (this.#isAtRest()) return;
      for (const attempt of this.streams.keys()) this.#serve(attempt);
      for (const id of this.polls.keys()) this.answerPoll(id);
      const { phase, subscriptions } = this.state;
      const isQuiet = phase.kind === 'open' && phase.successor === undefined && this.polls.size === 0;
      const isCurrent = this.state.position === cursorOf(this.log.length) || this.log.length === 0;
      if (isQuiet && isCurrent && subscriptions.every(({ mode }) => mode === 'live')) return;
      if (phase.kind === 'waiting' || subscriptions.some(({ retryAtMs }) => retryAtMs !== Infinity)) this.wake();
    }
    throw new Error(`It does not come to rest: ${JSON.stringify(this.state)}`);
  }

  #isAtRest(): boolean {
    return this.state.phase.kind === 'idle' || this.state.phase.kind === 'closed';
  }

  #serve(attempt: number): void {
    this.ready(attempt);
    for (
      let stream = this.streams.get(attempt);
      stream !== undefined && stream.operations.length + stream.missed.length > 0;
      stream = this.streams.get(attempt)
    ) {
      this.flow(attempt, 3);
      this.operate(attempt);
    }
    this.flow(attempt, 1000);
  }

  checkComplete(): void {
    checkComplete(this.consumers.values(), this.log, this.trimmedThrough);
  }

  #gapAfter(position: number): Gap | undefined {
    if (position >= this.trimmedThrough) return undefined;
    return { from: cursorOf(position), to: cursorOf(this.trimmedThrough), reason: 'retention' };
  }

  #isForbidden(channels: readonly string[]): boolean {
    return this.forbidden !== undefined && channels.includes(this.forbidden);
  }

  #startOf({ channels, after, history }: OpenRequest): number {
    if (after === 'earliest') return 0;
    if (after !== undefined && after !== 'now') return positionOf(after);
    if (history === undefined) return this.log.length;
    const first = this.log.filter((event) => covers(channels, event)).at(-history);
    return first === undefined ? 0 : positionOf(first.id) - 1;
  }

  #execute(effect: Effect): void {
    switch (effect.kind) {
      case 'open':
        this.transportsSeen.push(effect.transport);
        this.#opened.push(effect.attempt);
        this.streams.set(effect.attempt, {
          transport: effect.transport,
          request: effect.request,
          channels: effect.request.channels,
          position: undefined,
          missed: [],
          operations: [],
        });
        return;
      case 'drop':
        return void this.streams.delete(effect.attempt);
      case 'attach':
      case 'remove':
        return void this.streams.get(effect.attempt)?.operations.push(effect);
      case 'catch-up':
        if (effect.eventsMax < 1) throw new Error('A poll for nothing.');
        return void this.polls.set(effect.subscription.id, effect);
      case 'deliver':
        return this.#deliver(effect.id, effect.events);
      case 'joined': {
        const consumer = this.consumers.get(effect.id);
        if (consumer !== undefined) consumer.joinedAt ??= this.log.length;
        return;
      }
      case 'failed': {
        const consumer = this.consumers.get(effect.id);
        if (consumer !== undefined) consumer.failed = true;
        return;
      }
      case 'gap':
        this.consumers.get(effect.id)?.gaps.push(effect.gap);
        return void this.gaps.push(effect.gap);
      case 'renew':
      case 'auth':
      case 'refuse':
        return void this.credentialEffects.push(effect.kind);
      case 'state':
        this.phases.push(effect.phase.kind);
    }
  }

  #deliver(id: number, events: readonly PolycastEvent[]): void {
    const consumer = this.consumers.get(id);
    if (consumer === undefined) return;
    for (const event of events) {
      checkDelivered(consumer, event, this.allowsGoingBack);
      consumer.delivered.push(event.id);
      consumer.buffered++;
    }
    if (consumer.buffered > consumer.bufferMax) throw new Error('The buffer was exceeded.');
  }
}
