import { formatTime, parseCursor, PolycastError } from '@polycast/protocol';
import { cursorOfTag } from './events/entity-tag.ts';
import type { EventTypes } from './events/event-types.ts';
import { ANY_POSITION } from './events/latest.ts';
import type { AppendOutcome, Clock, Log, NewRecord, Position } from './ports.ts';
import type { ChannelRules } from './access/channel-rules.ts';
import { PublishRates, type ClientRate } from './publish-rates.ts';

/** One event as a transport has parsed it. Its names and types are valid. */
export interface PublishRequest {
  readonly channel: string;
  readonly type: string | undefined;
  /**
   * The event's members from `datacontenttype` on, as JSON text without line breaks:
   * `"data":{"a":1}`.
   */
  readonly content: string;
  readonly idempotencyKey: string | undefined;
  /**
   * The condition on the channel's newest event. A cursor must be the event's own, `none` says that
   * there must be no event, and `*` that there must be one.
   */
  readonly ifMatch: string | undefined;
  /** The publishing client. `undefined` for the site's own servers. */
  readonly author?: Author | undefined;
  /** Its trace context, as `parseTraceContext` returns it. It is no part of the event's content. */
  readonly trace?: string | undefined;
}

/**
 * The client that publishes: its members in the event, and the keys that its limits are counted by.
 */
export interface Author {
  /**
   * The author's members in the event as JSON text: `"user":"…","origin":"…"`. See `authorMembers`.
   */
  readonly eventMembers: string | undefined;
  /** The key of its rate limits: its user or its address. `undefined` for servers. */
  readonly clientKey: string | undefined;
  /**
   * The namespace of its idempotency keys: its user, or one namespace for all anonymous clients.
   * `undefined` for servers.
   */
  readonly idempotencyScope: string | undefined;
}

/**
 * The members of an event that name its author (PROTOCOL.md section 13.7). `undefined` when there
 * are none.
 */
export function authorMembers(user: string | undefined, origin: string | undefined): string | undefined {
  if (user === undefined) return origin === undefined ? undefined : `"origin":${JSON.stringify(origin)}`;
  return origin === undefined
    ? `"user":${JSON.stringify(user)}`
    : `"user":${JSON.stringify(user)},"origin":${JSON.stringify(origin)}`;
}

export type PublishResult =
  | {
      readonly ok: true;
      readonly position: Position;
      readonly channel: string;
      readonly timeMs: number;
      readonly replayed: boolean;
    }
  | { readonly ok: false; readonly error: PolycastError };

/** The limits of publishing that can change while the hub runs. */
export interface PublishLimits extends ClientRate {
  /**
   * Bytes of accepted events that are not yet durable, at most. An empty queue accepts any append.
   */
  readonly appendQueueBytesMax: number;
  /** The log's limit of channels. Without it clients may create any number. */
  readonly channelsMax?: number;
  /** The share of the channels that clients may use. The rest is for servers. */
  readonly clientChannelsPercent?: number;
}

export interface PublisherOptions extends PublishLimits {
  /** Encodes as UTF-8. */
  readonly encode: (text: string) => Uint8Array;
  /** A digest without known collisions. */
  readonly fingerprint: (text: string) => string;
  /** Called with the duration of each append, in milliseconds. */
  readonly onAppended: (durationMs: number) => void;
  /** The catalogue of event types, for channels with a rule that checks events against it. */
  readonly eventTypes?: Pick<EventTypes, 'refusal'>;
}

/** Publishes events. Transports see no more of the publisher than this. */
export interface EventPublisher {
  publishOne(request: PublishRequest): Promise<PublishResult>;
  /**
   * @param trace the trace context of the request that has the events,
   * for a publisher that records it
   */
  publish(requests: readonly PublishRequest[], trace?: string): Promise<readonly PublishResult[]>;
}

/** Counters since the publisher was created. */
export interface PublishStats {
  published: number;
  bytes: number;
  replayed: number;
  refused: number;
  failed: number;
}

/**
 * Publishes events: checks them against the rules of their channels, builds their JSON, and appends
 * them to the log. Example: `{"channel":"a","data":1}` becomes
 * `"channel":"a","time":"…","data":1}`, and the log adds the `id`.
 */
export class Publisher implements EventPublisher {
  readonly #log: Log;
  readonly #rules: ChannelRules;
  readonly #clock: Clock;
  readonly #options: PublisherOptions;
  /** The number of channels from which on clients cannot create another one. */
  #clientChannelsMax = Infinity;
  #queuedBytesMax = 0;
  readonly rates: PublishRates;
  #queuedBytes = 0;
  /** The number of channels in the log, at most `CHANNEL_COUNT_MAX_AGE_MS` old. */
  #channels = 0;
  #channelsAtMs = -Infinity;
  readonly stats: PublishStats = { published: 0, bytes: 0, replayed: 0, refused: 0, failed: 0 };

  constructor(log: Log, rules: ChannelRules, clock: Clock, options: PublisherOptions) {
    this.#log = log;
    this.#rules = rules;
    this.#clock = clock;
    this.#options = options;
    this.rates = new PublishRates(clock);
    this.setLimits(options);
  }

  /** The next publish obeys these limits. */
  setLimits(limits: PublishLimits): void {
    const { channelsMax = Infinity, clientChannelsPercent = 100 } = limits;
    this.#clientChannelsMax = Math.floor((channelsMax * clientChannelsPercent) / 100);
    this.rates.setLimits(limits);
    this.#queuedBytesMax = limits.appendQueueBytesMax;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Publishes one event, like `publish`. */
  publishOne(request: PublishRequest): Promise<PublishResult> {
    const record = this.#prepare(request);
    if (record instanceof PolycastError) return Promise.resolve(this.#refusedResult(record));
    return this.#append([record], record.body.length).then(first);
  }

  /**
   * Publishes in the given order. Resolves with one result each when all accepted events are
   * durable. It never rejects: a log that cannot be written is a result too.
   */
  async publish(requests: readonly PublishRequest[]): Promise<readonly PublishResult[]> {
    const results: (PublishResult | undefined)[] = [];
    const records: PreparedRecord[] = [];
    let bytes = 0;
    for (const request of requests) {
      const record = this.#prepare(request);
      if (record instanceof PolycastError) {
        this.stats.refused++;
        results.push({ ok: false, error: record });
        continue;
      }
      results.push(undefined);
      records.push(record);
      bytes += record.body.length;
    }
    if (records.length === 0) return results as PublishResult[];
    const appended = await this.#append(records, bytes);
    let next = 0;
    for (let index = 0; index < results.length; index++) results[index] ??= appended[next++] as PublishResult;
    return results as PublishResult[];
  }

  #append(records: readonly PreparedRecord[], bytes: number): Promise<readonly PublishResult[]> {
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#queuedBytesMax) {
      this.stats.refused += records.length;
      return Promise.resolve(
        repeatError(
          records.length,
          new PolycastError('overloaded', 'Events are published faster than the disk can store them.', {
            retryAfterMs: 1000,
          }),
        ),
      );
    }
    this.#queuedBytes += bytes;
    const startMs = this.#clock.monotonicMs();
    return this.#log.append(records).then(
      (outcomes) => {
        this.#queuedBytes -= bytes;
        this.#options.onAppended(this.#clock.monotonicMs() - startMs);
        return outcomes.map((outcome, index) => this.#result(outcome, records[index] as PreparedRecord));
      },
      (error: unknown) => {
        this.#queuedBytes -= bytes;
        this.stats.failed += records.length;
        const refusal =
          error instanceof PolycastError
            ? error
            : new PolycastError('log_unavailable', undefined, { retryAfterMs: 1000 });
        return repeatError(records.length, refusal);
      },
    );
  }

  #prepare(request: PublishRequest): PreparedRecord | PolycastError {
    const settings = this.#rules.settingsFor(request.channel);
    const { channel, type, content, author } = request;
    const rateLimitError = this.rates.refusal(channel, settings, author?.clientKey);
    if (rateLimitError !== undefined) return rateLimitError;
    const { eventTypeCheck } = settings;
    if (eventTypeCheck !== undefined && eventTypeCheck !== 'none') {
      const refusal = this.#options.eventTypes?.refusal(eventTypeCheck, channel, type, content);
      if (refusal !== undefined) return refusal;
    }
    const refusesNewChannel = author?.clientKey !== undefined && settings.retain !== 'none' && this.#isFullForClients();
    // `none` requires a channel without events: it would be a new channel.
    if (refusesNewChannel && request.ifMatch === 'none') return channelLimitError();
    const idempotencyKey = this.#idempotencyKeyOf(request);
    const timeMs = this.#clock.nowMs();
    const headJson =
      type === undefined ? `"channel":"${channel}"` : `"channel":"${channel}","type":${JSON.stringify(type)}`;
    const authorJson = author?.eventMembers === undefined ? '' : `${author.eventMembers},`;
    const body = this.#options.encode(`${headJson},"time":"${formatTime(timeMs)}",${authorJson}${content}}`);
    if (body.length > settings.eventBytesMax) {
      return new PolycastError(
        'event_too_large',
        `The event has ${body.length} bytes; ${channel} accepts ${settings.eventBytesMax}.`,
        { limit: settings.eventBytesMax },
      );
    }
    const record: NewRecord = {
      channel,
      type,
      timeMs,
      body,
      retain: settings.retain,
      idempotencyKey,
      fingerprint: idempotencyKey === undefined ? undefined : this.#options.fingerprint(`${headJson},${content}`),
      ifLatest: request.ifMatch === undefined ? undefined : this.#expectedPosition(request.ifMatch),
      trace: request.trace,
    };
    // The log itself checks that the channel has an event already.
    return refusesNewChannel && request.ifMatch === undefined
      ? { ...record, ifLatest: ANY_POSITION, isForExisting: true }
      : record;
  }

  /**
   * Whether the rest of the log's channels is for servers. So no client can prevent servers from
   * publishing.
   */
  #isFullForClients(): boolean {
    if (this.#clientChannelsMax === Infinity) return false;
    if (this.#channelsAtMs + CHANNEL_COUNT_MAX_AGE_MS <= this.#clock.monotonicMs()) {
      this.#channelsAtMs = this.#clock.monotonicMs();
      this.#channels = this.#log.stats()['channels'] ?? 0;
    }
    return this.#channels >= this.#clientChannelsMax;
  }

  /** The position for `ifMatch`. For a cursor of another log: a position that no event has. */
  #expectedPosition(ifMatch: string): Position {
    if (ifMatch === 'none') return 0;
    if (ifMatch === '*') return ANY_POSITION;
    const cursor = parseCursor(cursorOfTag(ifMatch));
    return cursor?.epoch === this.#log.state.epoch ? cursor.position : UNREACHABLE_POSITION;
  }

  /**
   * The key in the log. A client's key is hashed with its scope, so that it cannot collide with the
   * keys of a server or of another user.
   */
  #idempotencyKeyOf({ idempotencyKey, author }: PublishRequest): string | undefined {
    if (idempotencyKey === undefined || author?.idempotencyScope === undefined) return idempotencyKey;
    return this.#options.fingerprint(`${author.idempotencyScope}\n${idempotencyKey}`);
  }

  #result(outcome: AppendOutcome, { channel, timeMs, body, isForExisting }: PreparedRecord): PublishResult {
    switch (outcome.kind) {
      case 'appended':
        this.stats.published++;
        this.stats.bytes += body.length;
        return { ok: true, position: outcome.position, channel, timeMs, replayed: false };
      case 'duplicate':
        this.stats.replayed++;
        return {
          ok: true,
          position: outcome.position,
          channel: outcome.channel,
          timeMs: outcome.timeMs,
          replayed: true,
        };
      case 'key_reused':
        return this.#refusedResult(new PolycastError('idempotency_key_reused'));
      case 'conflict':
        if (isForExisting) return this.#refusedResult(channelLimitError());
        return this.#refusedResult(
          new PolycastError('precondition_failed', undefined, { latestPosition: outcome.latest }),
        );
      case 'channel_limit':
        return this.#refusedResult(channelLimitError());
      case 'key_limit':
        return this.#refusedResult(
          new PolycastError('overloaded', 'The hub has reached its limit of stored idempotency keys.', {
            retryAfterMs: 60_000,
          }),
        );
    }
  }

  #refusedResult(error: PolycastError): PublishResult {
    this.stats.refused++;
    return { ok: false, error };
  }
}

/**
 * An event for the log. `isForExisting`: a conflict shows that the event would have created a
 * channel.
 */
type PreparedRecord = NewRecord & { readonly isForExisting?: true };

function channelLimitError(): PolycastError {
  return new PolycastError('channel_limit', undefined, { retryAfterMs: 60_000 });
}

/** Maximum age of the cached number of channels. */
const CHANNEL_COUNT_MAX_AGE_MS = 100;

function first(results: readonly PublishResult[]): PublishResult {
  return results[0] as PublishResult;
}

function repeatError(count: number, error: PolycastError): PublishResult[] {
  return Array.from({ length: count }, () => ({ ok: false, error }));
}

/** A position that no log reaches. Positions are whole numbers from 0 on. */
const UNREACHABLE_POSITION = Number.MAX_SAFE_INTEGER;
