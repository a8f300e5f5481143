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
import type { Batch } from '../../core/events/batch.ts';
import type { Position } from '../../core/ports.ts';
import { OWN_CHANNEL_ALIAS } from '../../core/access/private-channel.ts';
import type { Principal } from '../../core/access/principal.ts';
import { Reader, type Sink } from '../../core/reader.ts';
import { resolveStart, type Start } from '../../core/start.ts';
import { author } from '../../auth/author.ts';
import { resolveOwnChannel } from '../consumer.ts';
import { authorize, checkCredentials, credentialsError } from '../../auth/permission.ts';
import { messageCredentials } from '../../auth/credentials.ts';
import { checkUniqueMembers } from '../../http/body/duplicate-member.ts';
import { authorizeHistory } from '../../auth/history-permission.ts';
import { checkPattern, checkPatternTokens, HISTORY_MAX, tooManyChannels } from '../events-query.ts';
import { allowedChannels } from '../../auth/expiry.ts';
import { toClientError } from '../../publishing/publish-result.ts';
import { toPolycastError } from '../../http/respond.ts';
import type { Services } from '../../http/services.ts';
import { invalidMember } from './invalid-member.ts';
import { WebSocketPulls, type PullResult, type PullOperation } from './websocket-pulls.ts';
import type { WebSocketSession } from './websocket-session.ts';

/**
 * Operations accepted and not yet answered, at most. At the bound the hub stops reading the socket.
 */
const PENDING_MAX = 64;
/** Consecutive `auth` operations that may fail. */
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
const PUBLISH_MEMBERS: ReadonlySet<string> = new Set(['op', 'ref']);
const scanner = new JsonScanner();
/** The data of an operation is one level below the message. */
const operationScanner = new JsonScanner(JSON_DEPTH_MAX + 1);

/**
 * An operation: an object with a known `op` and a valid `ref`. Its other members are unchecked.
 * Example: `{"op":"subscribe","ref":1,"channels":["news"]}`.
 */
interface Operation {
  readonly op: ClientMessage['op'];
  readonly ref: Ref | undefined;
  readonly members: Readonly<Record<string, unknown>>;
}

type OperationResult = {
  readonly cursor?: string;
  readonly channels?: readonly string[];
  readonly id?: string;
  readonly channel?: string;
  readonly time?: string;
  readonly dropped?: readonly string[];
  readonly expiresInMs?: number;
} & PullResult;

/**
 * The operations of one WebSocket session (PROTOCOL.md section 7.3). Changes of its subscriptions
 * run one at a time, in order.
 */
export class WebSocketOperations {
  readonly #services: Services;
  readonly #session: WebSocketSession;
  #pending = 0;
  #isPaused = false;
  #authFailures = 0;
  #pendingChanges: Promise<void> = Promise.resolve();
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
      return this.#session.rejectMessage(toPolycastError(error).problem);
    }
    if (++this.#pending >= PENDING_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#session.setReading(false);
    }
    void this.#dispatch(operation, text).catch((error: unknown) => this.#refuse(operation, error));
  }

  #dispatch(operation: Operation, text: string): Promise<void> {
    switch (operation.op) {
      case 'ping':
        return Promise.resolve(this.#respond(operation, { cursor: this.#session.cursor() }));
      case 'auth':
        return this.#authenticate(operation);
      case 'publish':
        return this.#withCredentials(() => this.#publish(operation, text));
      case 'subscribe':
        return this.#inOrder(() => this.#withCredentials(() => this.#subscribe(operation)));
      case 'unsubscribe':
        return this.#inOrder(() => this.#withCredentials(() => this.#unsubscribe(operation)));
      case 'pull':
      case 'credit':
      case 'ack':
      case 'nack':
      case 'extend':
        return this.#inOrder(() => this.#withCredentials(() => this.#pull(operation as PullOperation)));
    }
  }

  /**
   * Checks the credentials first: they may have expired or been revoked after the client sent this
   * and before the session ended.
   */
  #withCredentials(operation: () => Promise<void>): Promise<void> {
    const refusal = credentialsError(this.#services, this.#session.principal);
    return refusal === undefined ? operation() : Promise.reject(refusal);
  }

  /** Whether the session pulls from a subscription. */
  get isPulling(): boolean {
    return this.#pulls?.isPulling === true;
  }

  /** The session is closed. */
  close(): void {
    this.#pulls?.close();
  }

  async #pull(operation: PullOperation): Promise<void> {
    this.#pulls ??= new WebSocketPulls(this.#services, this.#session);
    this.#respond(operation, await this.#pulls.run(operation));
  }

  /**
   * Handles `auth` on an open connection (PROTOCOL.md section 13.4). An anonymous client
   * authenticates; a known client renews its credentials.
   */
  async #authenticate(operation: Operation): Promise<void> {
    // Counts as failed until it succeeds. So of many `auth` messages sent at once, only this many
    // are checked.
    if (++this.#authFailures > AUTH_FAILURES_MAX)
      throw new PolycastError(
        'unauthorized',
        `A connection may fail to authenticate at most ${AUTH_FAILURES_MAX} times.`,
      );
    const { token } = operation.members;
    if (typeof token !== 'string') throw invalidMember('token', 'must be a string');
    const session = this.#session;
    const principal = await this.#services.authority.identify(messageCredentials(token, session.address));
    const dropped = await this.changePrincipal(principal, () => {
      // Runs in order: of two `auth` messages sent at once, the second is compared with the
      // principal that the first one set.
      if (!isSamePrincipal(session.principal, principal))
        throw new PolycastError('forbidden', 'The connection belongs to another user. Open a new connection.');
      if (isUnidentified(session.principal)) this.#services.connectionQuota.admit(principal, undefined);
    });
    this.#authFailures = 0;
    this.#respond(operation, {
      channels: session.channels,
      ...(dropped.length > 0 ? { dropped } : {}),
      ...(principal.expiresMs === Infinity ? {} : { expiresInMs: principal.expiresMs - this.#services.clock.nowMs() }),
    });
  }

  /**
   * Replaces the session's credentials and drops the channels that they do not allow. Resolves with
   * the dropped channels. Rejects with PolycastError `identity_unavailable`, the error of `onTurn`,
   * or that of revoked credentials, and leaves the session unchanged.
   * @param onTurn called when the changes before this one are done; its error cancels the change
   */
  changePrincipal(principal: Principal, onTurn: () => void = noop): Promise<readonly string[]> {
    const session = this.#session;
    return this.#inOrder(async () => {
      onTurn();
      const before = session.channels;
      const allowed = await allowedChannels(this.#services, principal, before);
      const losesChannels = allowed.length < before.length;
      if (losesChannels) await session.pauseReader();
      // The new credentials may have been revoked during the wait. A revocation did not find this
      // session by them.
      const revoked = credentialsError(this.#services, principal);
      if (losesChannels) {
        const { feed } = this.#services;
        session.resumeWith(revoked === undefined ? feed.interest(allowed, session.types) : session.reader.interest);
      }
      if (revoked !== undefined) throw revoked;
      session.replacePrincipal(principal);
      await this.#pulls?.recheckAccess();
      return before.filter((channel) => !allowed.includes(channel));
    });
  }

  async #publish(operation: Operation, text: string): Promise<void> {
    scanner.reset(text);
    const { channel, type, idempotencyKey, ifMatch, data } = scanEnvelope(scanner, PUBLISH_MEMBERS);
    if (channel === undefined) throw new PolycastError('channel_missing');
    if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey);
    const { principal, origin, address, hasExplicitOrigin: isNamed } = this.#session;
    const allowed = authorize(this.#services, principal, 'publish', [channel]);
    if (allowed !== undefined) {
      await allowed;
      checkCredentials(this.#services, principal);
    }
    const result = await this.#services.publisher.publishOne({
      channel,
      type,
      idempotencyKey,
      ifMatch,
      content: `"data":${data}`,
      author: principal.kind === 'server' && !isNamed ? undefined : author(principal, origin, address),
    });
    if (!result.ok) throw toClientError(this.#services, result.error);
    this.#session.startIdleTimer();
    this.#respond(operation, {
      id: encodeCursor(this.#services.feed.epoch, result.position),
      channel: result.channel,
      time: formatTime(result.timeMs),
    });
  }

  /**
   * Adds channels. The current channels pause while the new ones catch up to the same position;
   * then all continue together.
   */
  async #subscribe(operation: Operation): Promise<void> {
    const session = this.#session;
    const { feed } = this.#services;
    const current = session.reader.interest.patterns;
    const wanted = resolveOwnChannel(session.principal, patternsOf(operation)).filter(
      (pattern) => !current.includes(pattern),
    );
    const limit = this.#services.settings.channelsPerConsumerMax;
    if (current.length + wanted.length > limit) throw tooManyChannels(limit);
    checkPatternTokens([...current, ...wanted], limit);
    await authorize(this.#services, session.principal, 'subscribe', wanted);
    const { after, history } = operation.members;
    await authorizeHistory(this.#services, session.principal, wanted, {
      after: typeof after === 'string' ? after : undefined,
      history: typeof history === 'number' ? history : undefined,
    });
    const requested = await this.#startOf(operation, wanted);
    checkCredentials(this.#services, session.principal);
    // The channels of the session stay at their position, whatever `after` or `history` says.
    const start = wanted.length === 0 ? undefined : requested;
    const channels = [...current, ...wanted];
    const all = feed.interest(channels, session.types);
    feed.checkCapacity(all);
    this.#services.presence.checkCapacity(session.principal, all.patterns);
    await session.pauseReader();
    const joinPosition = session.reader.position;
    const position = start === undefined ? joinPosition : Math.min(start.position, joinPosition);
    this.#respond(operation, { channels, cursor: session.cursor(position) });
    if (start?.gap !== undefined) session.sendGap(start.gap);
    if (wanted.length > 0 && position < joinPosition) {
      await session.catchUp(
        feed.interest(wanted, session.types, current),
        position,
        joinPosition,
        start?.suppressGapThrough ?? 0,
      );
    }
    session.resumeWith(all);
  }

  /** The start of the new channels; `undefined` for the session's position. */
  async #startOf({ members: { after, history } }: Operation, wanted: readonly string[]): Promise<Start | undefined> {
    if (after !== undefined && typeof after !== 'string')
      throw invalidMember('after', 'must be a cursor, "earliest" or "now"');
    if (history === undefined)
      return after === undefined || after === 'now' ? undefined : resolveStart(after, this.#services.log.state);
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
      suppressGapThrough: 0,
    };
  }

  async #unsubscribe(operation: Operation): Promise<void> {
    const session = this.#session;
    const removed = new Set(resolveOwnChannel(session.principal, patternsOf(operation)));
    await session.pauseReader();
    const channels = session.reader.interest.patterns.filter((pattern) => !removed.has(pattern));
    session.resumeWith(this.#services.feed.interest(channels, session.types));
    this.#respond(operation, { channels });
  }

  #inOrder<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#pendingChanges.then(change);
    this.#pendingChanges = result.then(noop, noop);
    return result;
  }

  #respond({ op, ref }: Operation, answer: OperationResult): void {
    this.#completeOperation();
    this.#session.respond({ op, ...(ref === undefined ? {} : { ref }), ok: true, ...answer } as ServerMessage);
  }

  #refuse({ op, ref }: Operation, error: unknown): void {
    this.#completeOperation();
    if (!(error instanceof PolycastError)) this.#services.logger.error({ error }, 'a WebSocket operation failed');
    const { principal, address } = this.#session;
    this.#services.refusalLog.record(toPolycastError(error), { route: `WebSocket ${op}`, address, principal });
    this.#session.respond({
      op,
      ...(ref === undefined ? {} : { ref }),
      ok: false,
      error: toPolycastError(error).problem,
    });
    if (op === 'auth') this.#countAuthFailure(toPolycastError(error).code);
  }

  /**
   * Ends the session after too many failures. The error `identity_unavailable` or
   * `too_many_connections` does not count: it says nothing about the token.
   */
  #countAuthFailure(code: ErrorCode): void {
    if (code === 'identity_unavailable' || code === 'too_many_connections') this.#authFailures--;
    else if (this.#authFailures >= AUTH_FAILURES_MAX) this.#session.disconnect('unauthorized');
  }

  #completeOperation(): void {
    this.#pending--;
    if (!this.#isPaused || this.#pending >= PENDING_MAX / 2) return;
    this.#isPaused = false;
    this.#session.setReading(true);
  }
}

/** The sink of a reader for channels that catch up. The session sends its batches as its own. */
export class CatchUpSink implements Sink {
  readonly #deliver: Sink['deliver'];
  readonly #onDone: (error?: PolycastError) => void;

  constructor(deliver: Sink['deliver'], done: (error?: PolycastError) => void) {
    this.#deliver = deliver;
    this.#onDone = done;
  }

  deliver(batch: Batch, sendGapFirst: boolean): boolean {
    return this.#deliver(batch, sendGapFirst);
  }

  onCaughtUp(): void {
    this.#onDone();
  }

  onFailed(error: PolycastError): void {
    this.#onDone(error);
  }
}

/** A reader that ends at the session's position. */
export function createCatchUpReader(
  session: WebSocketSession,
  services: Services,
  interest: Reader['interest'],
  from: Position,
  through: Position,
  done: (error?: PolycastError) => void,
): Reader {
  const sink = new CatchUpSink((batch, sendGapFirst) => session.deliver(batch, sendGapFirst), done);
  return new Reader(services.feed, sink, interest, webSocketFraming, from, Infinity, through);
}

/** An anonymous session may become any principal. A known one stays the same. */
function isSamePrincipal(before: Principal, after: Principal): boolean {
  return (
    isUnidentified(before) || (before.kind === after.kind && before.user === after.user && before.key === after.key)
  );
}

function isUnidentified({ user, key }: Principal): boolean {
  return user === undefined && key === undefined;
}

function noop(): void {}

function parseOperation(text: string): Operation {
  operationScanner.reset(text);
  if (!operationScanner.skipValue() || !operationScanner.atEnd())
    throw new PolycastError(operationScanner.errorCode, undefined, { offset: operationScanner.index });
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
  // The parser of `publish` checks the members itself, where it leaves the data as it is.
  if (op !== 'publish') checkUniqueMembers(text);
  return { op: op as ClientMessage['op'], ref: ref as Ref | undefined, members };
}

function patternsOf({ members: { channels } }: Operation): readonly string[] {
  const isList =
    Array.isArray(channels) && channels.length > 0 && channels.every((channel) => typeof channel === 'string');
  if (!isList) throw invalidMember('channels', 'must be an array of channels and patterns');
  return [...new Set(channels.map((channel) => (channel === OWN_CHANNEL_ALIAS ? channel : checkPattern(channel))))];
}
