import {
  checkIdempotencyKey,
  encodeCursor,
  formatTime,
  JsonScanner,
  PolycastError,
  scanEnvelope,
  type ErrorCode,
  type Problem,
  type ServerMessage,
} from '@polycast/protocol';
import type { Principal } from '../../core/access/principal.ts';
import { reachCursor, resolveStart, type Start } from '../../core/start.ts';
import { author } from '../../auth/author.ts';
import { resolveOwnChannel } from '../read-request.ts';
import { authorize, checkCredentials, credentialsError } from '../../auth/permission.ts';
import { messageCredentials } from '../../auth/credentials.ts';
import { authorizeHistory } from '../../auth/history-permission.ts';
import { checkPatternTokens, HISTORY_MAX, tooManyChannels } from '../events-query.ts';
import { allowedChannels } from '../../auth/expiry.ts';
import { toClientError } from '../../core/events/entity-tag.ts';
import { envelopeRequest } from '../../core/events/envelope-request.ts';
import { invalidMessage } from '../../http/refusals.ts';
import { toPolycastError } from '../../http/respond.ts';
import type { WebSocketParts } from '../stream-parts.ts';
import { parseOperation, patternsOf, type Operation } from './operation.ts';
import type { PullOperation, PullResult, SocketPulls } from '../socket-pulls.ts';
import type { OperationHandler, WebSocketSession } from './websocket-session.ts';

/**
 * Operations accepted and not yet answered, at most. At the bound the hub stops reading the socket.
 */
const PENDING_MAX = 64;
/** Consecutive `auth` operations that may fail. */
const AUTH_FAILURES_MAX = 5;
/** Messages that are no operation. */
const INVALID_MESSAGES_MAX = 20;
const PUBLISH_MEMBERS: ReadonlySet<string> = new Set(['op', 'ref']);
const scanner = new JsonScanner();
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
export class WebSocketOperations implements OperationHandler {
  readonly #parts: WebSocketParts;
  readonly #session: WebSocketSession;
  #pending = 0;
  #isPaused = false;
  #authFailures = 0;
  #invalidMessages = 0;
  #pendingChanges: Promise<void> = Promise.resolve();
  #pulls: SocketPulls | undefined;

  constructor(parts: WebSocketParts, session: WebSocketSession) {
    this.#parts = parts;
    this.#session = session;
  }

  handle(text: string): void {
    let operation: Operation;
    try {
      operation = parseOperation(text);
    } catch (error) {
      return this.#rejectMessage(toPolycastError(error).problem);
    }
    if (++this.#pending >= PENDING_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#session.setReading(false);
    }
    void this.#dispatch(operation, text).catch((error: unknown) => this.#refuse(operation, error));
  }

  /**
   * Answers a message that is not an operation. After too many of them the hub closes the
   * connection.
   */
  #rejectMessage(problem: Problem): void {
    this.#session.respond({ op: 'error', ok: false, error: problem });
    if (++this.#invalidMessages >= INVALID_MESSAGES_MAX) this.#session.close(4400, 'protocol');
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
    const refusal = credentialsError(this.#parts.auth, this.#session.principal);
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
    this.#pulls ??= this.#parts.openPulls(this.#session);
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
    if (typeof token !== 'string') throw invalidMessage('token', 'must be a string');
    const session = this.#session;
    const principal = await this.#parts.auth.authority.identify(messageCredentials(token, session.address));
    const dropped = await this.changePrincipal(principal, () => {
      // Runs in order: of two `auth` messages sent at once, the second is compared with the
      // principal that the first one set.
      if (!isSamePrincipal(session.principal, principal))
        throw new PolycastError('forbidden', 'The connection belongs to another user. Open a new connection.');
      if (isUnidentified(session.principal)) this.#parts.auth.connectionQuota.checkLimits(principal, undefined);
    });
    this.#authFailures = 0;
    this.#respond(operation, {
      channels: session.channels,
      ...(dropped.length > 0 ? { dropped } : {}),
      ...(principal.expiresMs === Infinity
        ? {}
        : { expiresInMs: principal.expiresMs - this.#parts.auth.clock.nowMs() }),
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
      const allowed = await allowedChannels(this.#parts.auth, principal, before);
      const losesChannels = allowed.length < before.length;
      if (losesChannels) await session.pauseReader();
      // The new credentials may have been revoked during the wait. A revocation did not find this
      // session by them.
      const revoked = credentialsError(this.#parts.auth, principal);
      if (losesChannels) {
        const { feed } = this.#parts;
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
    const envelope = scanEnvelope(scanner, PUBLISH_MEMBERS);
    const { channel, idempotencyKey } = envelope;
    if (channel === undefined) throw new PolycastError('channel_missing');
    if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey);
    const { principal, origin, address, hasExplicitOrigin: isNamed } = this.#session;
    const allowed = authorize(this.#parts.auth, principal, 'publish', [channel]);
    if (allowed !== undefined) {
      await allowed;
      checkCredentials(this.#parts.auth, principal);
    }
    const result = await this.#parts.publisher.publishOne({
      ...envelopeRequest(envelope, channel, undefined),
      author: principal.kind === 'server' && !isNamed ? undefined : author(principal, origin, address),
    });
    if (!result.ok) throw toClientError(this.#parts.feed.epoch, result.error);
    this.#session.startIdleTimer();
    this.#respond(operation, {
      id: encodeCursor(this.#parts.feed.epoch, result.position),
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
    const { feed } = this.#parts;
    const current = session.reader.interest.patterns;
    const wanted = resolveOwnChannel(session.principal, patternsOf(operation)).filter(
      (pattern) => !current.includes(pattern),
    );
    const limit = this.#parts.settings.channelsPerConsumerMax;
    if (current.length + wanted.length > limit) throw tooManyChannels(limit);
    checkPatternTokens([...current, ...wanted], limit);
    await authorize(this.#parts.auth, session.principal, 'subscribe', wanted);
    const { after, history } = operation.members;
    if (typeof after === 'string') await reachCursor(this.#parts.log, after);
    await authorizeHistory(this.#parts, session.principal, wanted, {
      after: typeof after === 'string' ? after : undefined,
      history: typeof history === 'number' ? history : undefined,
    });
    const requested = await this.#startOf(operation, wanted);
    checkCredentials(this.#parts.auth, session.principal);
    // The channels of the session stay at their position, whatever `after` or `history` says.
    const start = wanted.length === 0 ? undefined : requested;
    const channels = [...current, ...wanted];
    const all = feed.interest(channels, session.types);
    feed.checkCapacity(all);
    this.#parts.presence.checkCapacity(session.principal, all.patterns);
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
    session.resumeWith(all, position);
  }

  /** The start of the new channels; `undefined` for the session's position. */
  async #startOf({ members: { after, history } }: Operation, wanted: readonly string[]): Promise<Start | undefined> {
    if (after !== undefined && typeof after !== 'string')
      throw invalidMessage('after', 'must be a cursor, "earliest" or "now"');
    if (history === undefined)
      return after === undefined || after === 'now' ? undefined : resolveStart(after, this.#parts.log.state);
    if (!Number.isInteger(history) || (history as number) < 1 || (history as number) > HISTORY_MAX) {
      throw invalidMessage('history', `must be a whole number from 1 to ${HISTORY_MAX}`);
    }
    if (after !== undefined) throw invalidMessage('history', 'cannot be combined with "after"');
    const { feed } = this.#parts;
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
    session.resumeWith(this.#parts.feed.interest(channels, session.types));
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
    if (!(error instanceof PolycastError)) this.#parts.auth.logger.error({ error }, 'websocket: operation failed');
    const { principal, address } = this.#session;
    this.#parts.auth.refusalLog.record(toPolycastError(error), { route: `WebSocket ${op}`, address, principal });
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
