import { formatTime, parseCursor, PolycastError } from '@polycast/protocol';
import type { AppendOutcome, Clock, Log, NewRecord, Position } from './ports.ts';
import type { ChannelSettings, Rules } from './rules.ts';
import { TokenBuckets } from './token-buckets.ts';

/** One event as a transport has understood it; names and types are valid. */
export interface PublishRequest {
  readonly channel: string;
  readonly type: string | undefined;
  /** Members of the event from `datacontenttype` on, as JSON text without line breaks: `"data":{"a":1}`. */
  readonly content: string;
  readonly idempotencyKey: string | undefined;
  /** A cursor that must be the newest event's, or `none` when there must be none. */
  readonly ifMatch: string | undefined;
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

export interface PublisherOptions {
  /** Bytes accepted and not yet durable, at most. */
  readonly queueBytesMax: number;
  /** UTF-8. */
  readonly encode: (text: string) => Uint8Array;
  /** A digest without known collisions. */
  readonly fingerprint: (text: string) => string;
  /** Told how long each append took, in milliseconds. */
  readonly appended: (durationMs: number) => void;
}

/** What the publisher has counted since it began. */
export interface PublishFigures {
  published: number;
  bytes: number;
  replayed: number;
  refused: number;
  failed: number;
}

/** Checks what is published against its rules, gives it its JSON, and has it appended: the way in. */
export class Publisher {
  readonly #log: Log;
  readonly #rules: Rules;
  readonly #clock: Clock;
  readonly #options: PublisherOptions;
  readonly #buckets = new TokenBuckets();
  #queuedBytes = 0;
  readonly figures: PublishFigures = { published: 0, bytes: 0, replayed: 0, refused: 0, failed: 0 };

  constructor(log: Log, rules: Rules, clock: Clock, options: PublisherOptions) {
    this.#log = log;
    this.#rules = rules;
    this.#clock = clock;
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Publishes one event; as `publish`. */
  publishOne(request: PublishRequest): Promise<PublishResult> {
    const record = this.#record(request);
    if (record instanceof PolycastError) return Promise.resolve(this.#refused(record));
    return this.#append([record], record.body.length).then(first);
  }

  /**
   * Publishes in the given order; resolves, one result each, once all that was accepted is durable. It never rejects: a
   * log that cannot be written is a result too.
   */
  async publish(requests: readonly PublishRequest[]): Promise<readonly PublishResult[]> {
    const results: (PublishResult | undefined)[] = [];
    const records: NewRecord[] = [];
    let bytes = 0;
    for (const request of requests) {
      const record = this.#record(request);
      if (record instanceof PolycastError) {
        this.figures.refused++;
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

  #append(records: readonly NewRecord[], bytes: number): Promise<readonly PublishResult[]> {
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.queueBytesMax) {
      this.figures.refused += records.length;
      return Promise.resolve(
        repeat(
          records.length,
          new PolycastError('overloaded', 'More is being published than the disk can take.', { retryAfterMs: 1000 }),
        ),
      );
    }
    this.#queuedBytes += bytes;
    const startMs = this.#clock.monotonicMs();
    return this.#log.append(records).then(
      (outcomes) => {
        this.#queuedBytes -= bytes;
        this.#options.appended(this.#clock.monotonicMs() - startMs);
        return outcomes.map((outcome, index) => this.#result(outcome, records[index] as NewRecord));
      },
      (error: unknown) => {
        this.#queuedBytes -= bytes;
        this.figures.failed += records.length;
        const known =
          error instanceof PolycastError
            ? error
            : new PolycastError('log_unavailable', undefined, { retryAfterMs: 1000 });
        return repeat(records.length, known);
      },
    );
  }

  #record(request: PublishRequest): NewRecord | PolycastError {
    const settings = this.#rules.of(request.channel);
    const limited = this.#rateLimit(request.channel, settings);
    if (limited !== undefined) return limited;
    const { channel, type, content, idempotencyKey } = request;
    const timeMs = this.#clock.nowMs();
    const head =
      type === undefined ? `"channel":"${channel}"` : `"channel":"${channel}","type":${JSON.stringify(type)}`;
    const body = this.#options.encode(`${head},"time":"${formatTime(timeMs)}",${content}}`);
    if (body.length > settings.eventBytesMax) {
      return new PolycastError(
        'event_too_large',
        `The event has ${body.length} bytes; ${channel} takes ${settings.eventBytesMax}.`,
        { limit: settings.eventBytesMax },
      );
    }
    return {
      channel,
      type,
      timeMs,
      body,
      retain: settings.retain,
      idempotencyKey,
      fingerprint: idempotencyKey === undefined ? undefined : this.#options.fingerprint(`${head},${content}`),
      ifLatest: request.ifMatch === undefined ? undefined : this.#expected(request.ifMatch),
    };
  }

  /** The position that `ifMatch` stands for; one that no event has when the cursor is not of this log. */
  #expected(ifMatch: string): Position {
    if (ifMatch === 'none') return 0;
    const cursor = parseCursor(ifMatch);
    return cursor?.epoch === this.#log.state.epoch ? cursor.position : NO_EVENTS_POSITION;
  }

  #rateLimit(channel: string, { publishRatePerSecond, publishBurst }: ChannelSettings): PolycastError | undefined {
    if (publishRatePerSecond === undefined) return undefined;
    const retryAfterMs = this.#buckets.take(channel, publishRatePerSecond, publishBurst, this.#clock.monotonicMs());
    if (retryAfterMs === 0) return undefined;
    return new PolycastError('rate_limited', `${channel} takes ${publishRatePerSecond} events a second.`, {
      retryAfterMs,
    });
  }

  #result(outcome: AppendOutcome, { channel, timeMs, body }: NewRecord): PublishResult {
    switch (outcome.kind) {
      case 'appended':
        this.figures.published++;
        this.figures.bytes += body.length;
        return { ok: true, position: outcome.position, channel, timeMs, replayed: false };
      case 'duplicate':
        this.figures.replayed++;
        return {
          ok: true,
          position: outcome.position,
          channel: outcome.channel,
          timeMs: outcome.timeMs,
          replayed: true,
        };
      case 'key_reused':
        return this.#refused(new PolycastError('idempotency_key_reused'));
      case 'conflict':
        return this.#refused(new PolycastError('precondition_failed', undefined, { latestPosition: outcome.latest }));
      case 'channel_limit':
        return this.#refused(new PolycastError('channel_limit', undefined, { retryAfterMs: 60_000 }));
    }
  }

  #refused(error: PolycastError): PublishResult {
    this.figures.refused++;
    return { ok: false, error };
  }
}

function first(results: readonly PublishResult[]): PublishResult {
  return results[0] as PublishResult;
}

function repeat(count: number, error: PolycastError): PublishResult[] {
  return Array.from({ length: count }, () => ({ ok: false, error }));
}

/** Positions are whole numbers from 0 on; this one no log will reach. */
const NO_EVENTS_POSITION = Number.MAX_SAFE_INTEGER;
