import { encodeCursor, parseCursor, PolycastError, type Cursor } from '@polycast/protocol';
import type { Seeded } from '../../conformance/kit/seeded.ts';
import { ALL_SCOPES } from '../../packages/server/src/core/access/scopes.ts';
import { reachCursor, resolveStart } from '../../packages/server/src/core/start.ts';
import type { NewRecord } from '../../packages/server/src/core/ports.ts';
import { HubDownError, type SimulatedHub, type Surroundings } from './simulated-hub.ts';

export const CHANNELS = ['a', 'b', 'c'] as const;
/** This channel is trimmed, so its events may be lost to retention. */
export const TRIMMED_CHANNEL = 't';
export const ACTOR = { kind: 'operator' } as const;
/**
 * A hub that hears nothing identifies nobody.
 * It notices its silence after 10 s, and checks once a second.
 */
export const HEARING_MAX_MS = 12_000;

export interface ConfirmedEvent {
  readonly text: string;
  readonly cursor: Cursor;
}

interface ClientWorld extends Surroundings {
  readonly hubs: readonly SimulatedHub[];
  /** Ends the schedule: an invariant does not hold. */
  fail(error: unknown): void;
}

/** A client waits this long for an answer, and then asks another hub. */
const PATIENCE_MS = 40_000;
/**
 * The refusals of hubs while there are faults.
 * A cluster with an old hub takes no change of identity.
 */
const EXPECTED_CODES: ReadonlySet<string> = new Set([
  'log_unavailable',
  'log_full',
  'outcome_unknown',
  'not_in_cluster',
]);

abstract class Client {
  protected readonly world: ClientWorld;
  protected readonly random: Seeded;
  isStopped = false;
  /** Resolves when it has stopped. */
  readonly ended: Promise<void>;

  constructor(world: ClientWorld) {
    this.world = world;
    this.random = world.random;
    this.ended = world.time.wait(1).then(() => this.#run());
  }

  protected abstract step(hub: SimulatedHub): Promise<void>;
  protected abstract get pauseMs(): number;
  protected get hasWork(): boolean {
    return false;
  }

  async #run(): Promise<void> {
    while (!this.isStopped || this.hasWork) {
      const hub = this.random.pick(this.world.hubs);
      if (hub.open !== undefined) {
        // An answer that comes later is checked, too.
        const step = this.step(hub).catch((error: unknown) => {
          if (!isExpected(error)) this.world.fail(error);
        });
        await Promise.race([step, this.world.time.wait(PATIENCE_MS)]);
      }
      await this.world.time.wait(this.pauseMs);
    }
  }
}

function isExpected(error: unknown): boolean {
  return error instanceof HubDownError || (error instanceof PolycastError && EXPECTED_CODES.has(error.code));
}

/**
 * Publishers of these seeds send every second event once, without an idempotency key. Those that
 * have found defects have other seeds, and stay the same.
 */
const sendsPlain = (seed: number): boolean => seed % 13 < 4;

/**
 * Publishes each event with an idempotency key until it is confirmed, at any hub. It sends an event
 * without a key once: it would not know whether a hub has it.
 */
export class SimulatedPublisher extends Client {
  readonly confirmed: ConfirmedEvent[] = [];
  /** The texts of events that retention may remove. */
  readonly trimmed = new Set<string>();
  readonly #name: string;
  #count = 0;
  #current: NewRecord | undefined;

  constructor(world: ClientWorld, name: string) {
    super(world);
    this.#name = name;
  }

  protected override get hasWork(): boolean {
    return this.#current !== undefined;
  }

  protected get pauseMs(): number {
    return this.random.below(4) === 0 ? this.random.below(800) : this.random.below(40);
  }

  protected async step(hub: SimulatedHub): Promise<void> {
    const record = this.#current ?? this.#next();
    const isPlain = record.idempotencyKey === undefined;
    if (!isPlain) this.#current = record;
    const [outcome] = await hub.call(({ log }) => log.append([record]));
    if (outcome === undefined || (outcome.kind !== 'appended' && outcome.kind !== 'duplicate'))
      throw new Error(`publisher: ${JSON.stringify(outcome)}`);
    const epoch = hub.open?.log.state.epoch;
    if ((!isPlain && this.#current !== record) || epoch === undefined) return;
    if (!isPlain) this.#current = undefined;
    const text = Buffer.from(record.body).toString();
    this.confirmed.push({ text, cursor: { epoch, position: outcome.position } });
  }

  #next(): NewRecord {
    const text = `${this.#name}-${this.#count++}`;
    const channel = this.random.below(8) === 0 ? TRIMMED_CHANNEL : this.random.pick(CHANNELS);
    if (channel === TRIMMED_CHANNEL) this.trimmed.add(text);
    const key = sendsPlain(this.random.seed) && this.#count % 2 === 0 ? undefined : text;
    return {
      channel,
      type: undefined,
      timeMs: Date.now(),
      body: Buffer.from(text),
      retain: 'history',
      idempotencyKey: key,
      fingerprint: key,
      ifLatest: undefined,
    };
  }
}

/** Reads with a cursor, at another hub each time. */
export class SimulatedReader extends Client {
  /** The texts that it has, by their cursors. A gap of the epoch begins a new list. */
  received: { readonly cursor: string; readonly text: string }[] = [];
  cursor = 'earliest';
  /** The list begins after this position. */
  start = 0;

  protected get pauseMs(): number {
    return this.random.below(3) === 0 ? this.random.below(1500) : this.random.below(150);
  }

  protected async step(hub: SimulatedHub): Promise<void> {
    const before = this.cursor;
    await hub.call(async ({ log }) => {
      await reachCursor(log, before);
      const start = resolveStart(before, log.state);
      const { epoch, head } = log.state;
      const query = { patterns: [...CHANNELS], types: undefined, after: start.position, through: head } as const;
      const page = await log.read({ ...query, direction: 'forward', limit: 50, bytesMax: 1e6 });
      if (this.cursor !== before) return;
      const cursor = encodeCursor(epoch, page.reached);
      if (start.gap !== undefined) {
        if (this.world.brokers.rollbacks === 0)
          throw new Error(`false gap at ${hub.name}: ${JSON.stringify(start.gap)}`);
        this.received = [];
        this.start = start.position;
      } else if (parseCursor(before) !== undefined && cursor < before) {
        throw new Error(`the cursor went back at ${hub.name}: ${before} ${cursor}`);
      }
      if (page.trimmedThrough > start.position)
        throw new Error(`events are lost at ${hub.name}: ${page.trimmedThrough}`);
      for (const { position, body } of page.records)
        this.received.push({ cursor: encodeCursor(epoch, position), text: Buffer.from(body).toString() });
      this.cursor = cursor;
    });
  }
}

interface KnownKey {
  readonly id: string;
  readonly text: string;
  readonly rollbacks: number;
  /** When its removal was confirmed. */
  revokedMs: number | undefined;
  isRevoking: boolean;
}

/** The keys and revocations that operators have made. */
export class KnownIdentity {
  readonly keys: KnownKey[] = [];
  /** The latest confirmed revocation of each user. */
  readonly users = new Map<string, { readonly beforeMs: number; readonly rollbacks: number }>();
}

/** Creates and revokes keys, and revokes users, each time at another hub. */
export class SimulatedOperator extends Client {
  readonly #known: KnownIdentity;

  constructor(world: ClientWorld, known: KnownIdentity) {
    super(world);
    this.#known = known;
  }

  protected get pauseMs(): number {
    return this.random.below(400);
  }

  protected async step(hub: SimulatedHub): Promise<void> {
    const { rollbacks } = this.world.brokers;
    const { keys, users } = this.#known;
    const chance = this.random.below(3);
    if (chance === 0) {
      const options = { name: 'shop', scopes: ALL_SCOPES, expiresMs: undefined };
      const { key, text } = await hub.call(({ identity }) => identity.keyChanges.create(options, () => ACTOR));
      keys.push({ id: key.id, text, rollbacks, revokedMs: undefined, isRevoking: false });
    } else if (chance === 1) {
      const key = this.random.pick(keys) as KnownKey | undefined;
      if (key === undefined || key.isRevoking) return;
      key.isRevoking = true;
      await hub.call(({ identity }) => identity.keyChanges.revoke(key.id, () => ACTOR));
      // It counts from its answer, in the history of its request.
      if (rollbacks === this.world.brokers.rollbacks) key.revokedMs = this.world.time.nowMs;
    } else {
      const user = this.random.pick(['ann', 'bob']);
      const issuedBeforeMs = Date.now() + hub.skewMs;
      await hub.call(({ identity }) =>
        identity.revocations.revoke({ kind: 'user', name: user, issuedBeforeMs }, ACTOR),
      );
      const known = users.get(user);
      if (
        rollbacks === this.world.brokers.rollbacks &&
        (known?.rollbacks !== rollbacks || known.beforeMs < issuedBeforeMs)
      )
        users.set(user, { beforeMs: issuedBeforeMs, rollbacks });
    }
  }
}

/** Uses keys, each time at another hub. */
export class SimulatedCaller extends Client {
  readonly #known: KnownIdentity;

  constructor(world: ClientWorld, known: KnownIdentity) {
    super(world);
    this.#known = known;
  }

  protected get pauseMs(): number {
    return this.random.below(400);
  }

  /** A key is valid, or was revoked, at every hub that identifies callers. */
  protected async step(hub: SimulatedHub): Promise<void> {
    const revoked = this.random.below(2) === 0 ? this.#revokedOfLate : [];
    const key = this.random.pick(revoked.length > 0 ? revoked : this.#known.keys) as KnownKey | undefined;
    if (key === undefined || hub.isOld) return;
    const revokedMs = key.revokedMs;
    const startMs = this.world.time.nowMs;
    const isAccepted = await hub.call(async ({ identity, store }) => {
      try {
        const principal = await identity.keys.identify({ token: key.text });
        return store.shared?.isCurrent === true ? principal !== undefined : undefined;
      } catch (error) {
        if (!(error instanceof PolycastError)) throw error;
        return error.code === 'unauthorized' && store.shared?.isCurrent === true ? false : undefined;
      }
    });
    const isPresent = key.rollbacks === this.world.brokers.rollbacks;
    if (!isPresent || isAccepted === undefined) return;
    if (isAccepted && revokedMs !== undefined && startMs - revokedMs > HEARING_MAX_MS)
      throw new Error(`${hub.name} accepts the key ${key.id}, revoked ${startMs - revokedMs} ms before`);
    if (!isAccepted && !key.isRevoking) throw new Error(`${hub.name} refuses the key ${key.id}`);
  }

  /** A hub that hears nothing may still accept these. */
  get #revokedOfLate(): readonly KnownKey[] {
    const { nowMs } = this.world.time;
    return this.#known.keys.filter(({ revokedMs = -Infinity }) => nowMs - revokedMs < 2 * HEARING_MAX_MS);
  }
}
