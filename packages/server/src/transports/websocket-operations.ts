import {
  checkIdempotencyKey,
  encodeCursor,
  formatTime,
  JSON_DEPTH_MAX,
  JsonScanner,
  PolycastError,
  scanEnvelope,
  webSocketFraming,
  type ClientMessage,
  type ErrorCode,
  type Ref,
  type ServerMessage,
} from '@polycast/protocol';
import type { Batch } from '../core/batch.ts';
import type { Position } from '../core/ports.ts';
import { OWN_CHANNEL } from '../core/private-channel.ts';
import type { Principal } from '../core/principal.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { startAfter, type Start } from '../core/start.ts';
import { author } from './author.ts';
import { channelsFor } from './consumer.ts';
import { allow, checkStanding, standingOf } from './permission.ts';
import { messageCredentials } from './credentials.ts';
import { refuseDuplicates } from './duplicate-member.ts';
import { allowLookingBack } from './looking-back.ts';
import { checkPattern, checkTokens, HISTORY_MAX, tooManyChannels } from './events-query.ts';
import { stillAllowed } from './expiry.ts';
import { shown } from './publish-result.ts';
import { asPolycastError } from './respond.ts';
import type { Services } from './services.ts';
import { invalidMember } from './websocket-message.ts';
import { WebSocketPulls, type PullAnswer, type PullOperation } from './websocket-pulls.ts';
import type { WebSocketSession } from './websocket.ts';

/** Operations accepted and not yet answered, at most; then the socket is not read. */
const PENDING_MAX = 64;
/** Times in a row that a client may say wrongly who it is. */
const AUTH_FAILURES_MAX = 5;
const REF_LENGTH_MAX = 64;
const OPERATIONS: ReadonlySet<unknown> = new Set<ClientMessage['op']>([
  'subscribe',
  'unsubscribe',
  'publish',
  'auth',
  'ping',
  'pull',
  'credit',
  'ack',
  'nack',
  'extend',
]);
const ALSO_IN_PUBLISH: ReadonlySet<string> = new Set(['op', 'ref']);
const scanner = new JsonScanner();
/** An operation's data is one level down. */
const operationScanner = new JsonScanner(JSON_DEPTH_MAX + 1);

/** An operation as it came: an object with a known `op` and a valid `ref`, its other members unchecked. */
interface Operation {
  readonly op: ClientMessage['op'];
  readonly ref: Ref | undefined;
  readonly members: Readonly<Record<string, unknown>>;
}

type Answer = {
  readonly cursor?: string;
  readonly channels?: readonly string[];
  readonly id?: string;
  readonly channel?: string;
  readonly time?: string;
  readonly dropped?: readonly string[];
  readonly expiresInMs?: number;
} & PullAnswer;

/** The operations of one WebSocket session (PROTOCOL.md section 7.3). Subscriptions change one at a time, in order. */
export class WebSocketOperations {
  readonly #services: Services;
  readonly #session: WebSocketSession;
  #pending = 0;
  #paused = false;
  #authFailures = 0;
  #changes: Promise<void> = Promise.resolve();
  #pulls: WebSocketPulls | undefined;

  constructor(services: Services, session: WebSocketSession) {
    this.#services = services;
    this.#session = session;
  }

  handle(text: string): void {
    let operation: Operation;
    try {
      operation = parseOperation(text);
    } catch (error) {
      return this.#session.invalid(asPolycastError(error).problem);
    }
    if (++this.#pending >= PENDING_MAX && !this.#paused) {
      this.#paused = true;
      this.#session.flow(false);
    }
    void this.#run(operation, text).catch((error: unknown) => this.#refuse(operation, error));
  }

  #run(operation: Operation, text: string): Promise<void> {
    switch (operation.op) {
      case 'ping':
        return Promise.resolve(this.#answer(operation, { cursor: this.#session.cursor() }));
      case 'auth':
        return this.#authenticate(operation);
      case 'publish':
        return this.#checked(() => this.#publish(operation, text));
      case 'subscribe':
        return this.#inOrder(() => this.#checked(() => this.#subscribe(operation)));
      case 'unsubscribe':
        return this.#inOrder(() => this.#checked(() => this.#unsubscribe(operation)));
      case 'pull':
      case 'credit':
      case 'ack':
      case 'nack':
      case 'extend':
        return this.#inOrder(() => this.#checked(() => this.#pull(operation as PullOperation)));
    }
  }

  /** Who was revoked, or has expired, may have sent this before the session was ended. */
  #checked(operate: () => Promise<void>): Promise<void> {
    const refusal = standingOf(this.#services, this.#session.principal);
    return refusal === undefined ? operate() : Promise.reject(refusal);
  }

  /** Whether it is here for events that it pulls. */
  get isPulling(): boolean {
    return this.#pulls?.isPulling === true;
  }

  /** The session is gone. */
  close(): void {
    this.#pulls?.close();
  }

  async #pull(operation: PullOperation): Promise<void> {
    this.#pulls ??= new WebSocketPulls(this.#services, this.#session);
    this.#answer(operation, await this.#pulls.run(operation));
  }

  /** In mid-connection (PROTOCOL.md section 13.4): whoever nobody knew says who it is; who is known renews it. */
  async #authenticate(operation: Operation): Promise<void> {
    // Counted as failed until it is known better: of those that come in one go not more are looked at.
    if (++this.#authFailures > AUTH_FAILURES_MAX)
      throw new PolycastError('unauthorized', `At most ${AUTH_FAILURES_MAX} tries are looked at.`);
    const { token } = operation.members;
    if (typeof token !== 'string') throw invalidMember('token', 'must be a string');
    const session = this.#session;
    const principal = await this.#services.authority.identify(messageCredentials(token, session.address));
    const dropped = await this.adopt(principal, () => {
      // In order: of two that come in one go the second finds whom the first has made the connection's.
      if (!isSame(session.principal, principal))
        throw new PolycastError('forbidden', 'The connection belongs to another user: open a new one.');
      if (isUnknown(session.principal)) this.#services.admission.admit(principal, undefined);
    });
    this.#authFailures = 0;
    this.#answer(operation, {
      channels: session.channels,
      ...(dropped.length > 0 ? { dropped } : {}),
      ...(principal.expiresMs === Infinity ? {} : { expiresInMs: principal.expiresMs - this.#services.clock.nowMs() }),
    });
  }

  /**
   * From now on the session stands on these credentials; what they do not allow is dropped. Resolves with what that is.
   * Rejects with PolycastError `identity_unavailable`, or what `begin` throws, and then nothing has changed.
   * @param begin called when its turn has come
   */
  adopt(principal: Principal, begin: () => void = nothing): Promise<readonly string[]> {
    const session = this.#session;
    return this.#inOrder(async () => {
      begin();
      const before = session.channels;
      const allowed = await stillAllowed(this.#services, principal, before);
      const isLess = allowed.length < before.length;
      if (isLess) await session.hold();
      // It may have been revoked meanwhile, when nobody stood on it yet.
      const standing = standingOf(this.#services, principal);
      if (isLess) {
        const { feed } = this.#services;
        session.resume(standing === undefined ? feed.interest(allowed, session.types) : session.reader.interest);
      }
      if (standing !== undefined) throw standing;
      session.assume(principal);
      await this.#pulls?.recheck();
      return before.filter((channel) => !allowed.includes(channel));
    });
  }

  async #publish(operation: Operation, text: string): Promise<void> {
    scanner.begin(text);
    const { channel, type, idempotencyKey, ifMatch, data } = scanEnvelope(scanner, ALSO_IN_PUBLISH);
    if (channel === undefined) throw new PolycastError('channel_missing');
    if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey);
    const { principal, origin, address, isNamed } = this.#session;
    const allowed = allow(this.#services, principal, 'publish', [channel]);
    if (allowed !== undefined) {
      await allowed;
      checkStanding(this.#services, principal);
    }
    const result = await this.#services.publisher.publishOne({
      channel,
      type,
      idempotencyKey,
      ifMatch,
      content: `"data":${data}`,
      author: principal.kind === 'server' && !isNamed ? undefined : author(principal, origin, address),
    });
    if (!result.ok) throw shown(this.#services, result.error);
    this.#session.awaitEntry();
    this.#answer(operation, {
      id: encodeCursor(this.#services.feed.epoch, result.position),
      channel: result.channel,
      time: formatTime(result.timeMs),
    });
  }

  /** New channels catch up while the others stand still, up to where those stand; then all go on together. */
  async #subscribe(operation: Operation): Promise<void> {
    const session = this.#session;
    const { feed } = this.#services;
    const has = session.reader.interest.patterns;
    const wanted = channelsFor(session.principal, patternsOf(operation)).filter((pattern) => !has.includes(pattern));
    const limit = this.#services.settings.channelsPerConsumerMax;
    if (has.length + wanted.length > limit) throw tooManyChannels(limit);
    checkTokens([...has, ...wanted], limit);
    await allow(this.#services, session.principal, 'subscribe', wanted);
    const { after, history } = operation.members;
    await allowLookingBack(this.#services, session.principal, wanted, {
      after: typeof after === 'string' ? after : undefined,
      history: typeof history === 'number' ? history : undefined,
    });
    const asked = await this.#start(operation, wanted);
    checkStanding(this.#services, session.principal);
    // Channels that it has are delivered from where it is, whatever was asked.
    const start = wanted.length === 0 ? undefined : asked;
    const channels = [...has, ...wanted];
    const all = feed.interest(channels, session.types);
    feed.checkRoom(all);
    this.#services.presence.checkRoom(session.principal, all.patterns);
    await session.hold();
    const joinAt = session.reader.position;
    const position = start === undefined ? joinAt : Math.min(start.position, joinAt);
    this.#answer(operation, { channels, cursor: session.cursor(position) });
    if (start?.gap !== undefined) session.sendGap(start.gap);
    if (wanted.length > 0 && position < joinAt) {
      await session.catchUp(feed.interest(wanted, session.types, has), position, joinAt, start?.excusedThrough ?? 0);
    }
    session.resume(all);
  }

  /** Where the new channels begin; `undefined` for where the session is. */
  async #start({ members: { after, history } }: Operation, wanted: readonly string[]): Promise<Start | undefined> {
    if (after !== undefined && typeof after !== 'string')
      throw invalidMember('after', 'must be a cursor, "earliest" or "now"');
    if (history === undefined)
      return after === undefined || after === 'now' ? undefined : startAfter(after, this.#services.log.state);
    if (!Number.isInteger(history) || (history as number) < 1 || (history as number) > HISTORY_MAX) {
      throw invalidMember('history', `must be a whole number from 1 to ${HISTORY_MAX}`);
    }
    if (after !== undefined) throw invalidMember('history', 'cannot be combined with "after"');
    const { feed } = this.#services;
    return {
      position: await feed.historyStart(
        feed.interest(wanted, this.#session.types),
        history as number,
        () => !this.#session.reader.isClosed,
      ),
      gap: undefined,
      excusedThrough: 0,
    };
  }

  async #unsubscribe(operation: Operation): Promise<void> {
    const session = this.#session;
    const gone = new Set(channelsFor(session.principal, patternsOf(operation)));
    await session.hold();
    const channels = session.reader.interest.patterns.filter((pattern) => !gone.has(pattern));
    session.resume(this.#services.feed.interest(channels, session.types));
    this.#answer(operation, { channels });
  }

  #inOrder<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(change);
    this.#changes = result.then(nothing, nothing);
    return result;
  }

  #answer({ op, ref }: Operation, answer: Answer): void {
    this.#answered();
    this.#session.answer({ op, ...(ref === undefined ? {} : { ref }), ok: true, ...answer } as ServerMessage);
  }

  #refuse({ op, ref }: Operation, error: unknown): void {
    this.#answered();
    if (!(error instanceof PolycastError)) this.#services.logger.error({ error }, 'a WebSocket operation failed');
    const { principal, address } = this.#session;
    this.#services.refusals.record(asPolycastError(error), { route: `WebSocket ${op}`, address, principal });
    this.#session.answer({
      op,
      ...(ref === undefined ? {} : { ref }),
      ok: false,
      error: asPolycastError(error).problem,
    });
    if (op === 'auth') this.#authFailed(asPolycastError(error).code);
  }

  /** What has been asked too often is not asked further; what could not be found out says nothing of who asks. */
  #authFailed(code: ErrorCode): void {
    if (code === 'identity_unavailable' || code === 'too_many_connections') this.#authFailures--;
    else if (this.#authFailures >= AUTH_FAILURES_MAX) this.#session.dismiss('unauthorized');
  }

  #answered(): void {
    this.#pending--;
    if (!this.#paused || this.#pending >= PENDING_MAX / 2) return;
    this.#paused = false;
    this.#session.flow(true);
  }
}

/** What a session does with the batches of channels that catch up: it sends them as its own. */
export class CatchUpSink implements Sink {
  readonly #deliver: Sink['deliver'];
  readonly #done: (error?: PolycastError) => void;

  constructor(deliver: Sink['deliver'], done: (error?: PolycastError) => void) {
    this.#deliver = deliver;
    this.#done = done;
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    return this.#deliver(batch, tellGap);
  }

  caughtUp(): void {
    this.#done();
  }

  failed(error: PolycastError): void {
    this.#done(error);
  }
}

/** A reader that ends where the session stands. */
export function catchUpReader(
  session: WebSocketSession,
  services: Services,
  interest: Reader['interest'],
  from: Position,
  through: Position,
  done: (error?: PolycastError) => void,
): Reader {
  const sink = new CatchUpSink((batch, tellGap) => session.deliver(batch, tellGap), done);
  return new Reader(services.feed, sink, interest, webSocketFraming, from, Infinity, through);
}

/** Nobody known may become anybody; whoever is known stays who it is. */
function isSame(before: Principal, after: Principal): boolean {
  return isUnknown(before) || (before.kind === after.kind && before.user === after.user && before.key === after.key);
}

function isUnknown({ user, key }: Principal): boolean {
  return user === undefined && key === undefined;
}

function nothing(): void {}

function parseOperation(text: string): Operation {
  operationScanner.begin(text);
  if (!operationScanner.value() || !operationScanner.atEnd())
    throw new PolycastError(operationScanner.fault, undefined, { offset: operationScanner.index });
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolycastError('invalid_message', 'An operation is a JSON object.');
  const members = value as Record<string, unknown>;
  const { op, ref } = members;
  if (!OPERATIONS.has(op))
    throw new PolycastError('invalid_message', `"op" must be one of ${[...OPERATIONS].join(', ')}.`, {
      member: 'op',
    });
  const refIsValid =
    ref === undefined ||
    (typeof ref === 'string' ? ref.length <= REF_LENGTH_MAX : typeof ref === 'number' && Number.isFinite(ref));
  if (!refIsValid) throw invalidMember('ref', `must be a number or a string of at most ${REF_LENGTH_MAX} characters`);
  // What is published is looked at where its data is left as it is.
  if (op !== 'publish') refuseDuplicates(text);
  return { op: op as ClientMessage['op'], ref: ref as Ref | undefined, members };
}

function patternsOf({ members: { channels } }: Operation): readonly string[] {
  const isList =
    Array.isArray(channels) && channels.length > 0 && channels.every((channel) => typeof channel === 'string');
  if (!isList) throw invalidMember('channels', 'must be an array of channels and patterns');
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL ? channel : checkPattern(channel))))];
}
