import type { Clock } from '../../../core/ports.ts';
import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { writableMediaType } from '../../../core/events/media-type.ts';
import type { PublishRequest, PublishResult } from '../../../core/publish.ts';
import { ticksOf, type TimingWheel } from '../../../core/primitives/timing-wheel.ts';
import { eventContent } from '../../../publishing/publish-content.ts';
import { Deadline } from '../../../http/body/request-body.ts';
import { isJson, parseMediaType } from '../../../http/body/media-type.ts';
import type { FetchDocument } from '../dialect-service.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Topic } from './topics.ts';

export interface ExternalTopicsParts {
  readonly fetchDocument: FetchDocument;
  readonly publisher: { publishOne(request: PublishRequest): Promise<PublishResult> };
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly logger: { info(fields: object, message: string): void };
  /** Shortest time between two fetches of a topic, in milliseconds. */
  readonly intervalMs: number;
  hasSubscribers(channel: string): boolean;
  /** The newest content of the channel, as published. */
  newest(channel: string): Promise<{ readonly mediaType: string; readonly bytes: Uint8Array } | undefined>;
}

const FETCHES_MAX = 8;
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** Number of topics whose last fetch is remembered. Beyond it the oldest entry is removed. */
const REMEMBERED_MAX = 10_000;
const TIMEOUT_MS = 15_000;
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * External topics are documents of other sites. A ping of the publisher makes the hub fetch the
 * document. If it has changed, the hub publishes it to the topic's channel.
 */
export class ExternalTopics {
  readonly #parts: ExternalTopicsParts;
  readonly #queue = new KeyedQueue({
    concurrentMax: FETCHES_MAX,
    waitingMax: WAITING_MAX,
    waitingBytesMax: WAITING_BYTES_MAX,
  });
  readonly #fetched = new Map<string, number>();
  readonly #delayed = new Map<string, Deadline>();
  #delayedBytes = 0;

  constructor(parts: ExternalTopicsParts) {
    this.#parts = parts;
  }

  /**
   * Handles a ping, whose sender is not verified. Pings too soon after a fetch cause a single fetch
   * later.
   */
  onPing(topic: Topic): void {
    const { clock, wheel, intervalMs } = this.#parts;
    if (this.#delayed.has(topic.channel) || !this.#parts.hasSubscribers(topic.channel)) return;
    const dueMs = (this.#fetched.get(topic.channel) ?? -Infinity) + intervalMs - clock.monotonicMs();
    if (dueMs <= 0) return this.#fetch(topic);
    const bytes = bytesOf(topic);
    if (this.#delayed.size >= WAITING_MAX || this.#delayedBytes + bytes > WAITING_BYTES_MAX) return;
    this.#delayedBytes += bytes;
    const later = new Deadline(() => {
      this.#delayed.delete(topic.channel);
      this.#delayedBytes -= bytes;
      this.#fetch(topic);
    });
    this.#delayed.set(topic.channel, later);
    wheel.schedule(later, ticksOf(dueMs));
  }

  /** Memory of pings that wait, for a free slot or for the next permitted fetch. */
  get waiting(): MemoryUsage {
    const { bytes, bytesMax, refused } = this.#queue;
    return { bytes: bytes + this.#delayedBytes, bytesMax: bytesMax + WAITING_BYTES_MAX, refused };
  }

  close(): Promise<void> {
    for (const later of this.#delayed.values()) this.#parts.wheel.cancel(later);
    this.#delayed.clear();
    this.#delayedBytes = 0;
    return this.#queue.close();
  }

  #fetch(topic: Topic): void {
    this.#fetched.delete(topic.channel);
    this.#fetched.set(topic.channel, this.#parts.clock.monotonicMs());
    const [oldest] = this.#fetched.keys();
    if (oldest !== undefined && this.#fetched.size > REMEMBERED_MAX) this.#fetched.delete(oldest);
    this.#queue.add(topic.channel, bytesOf(topic), () =>
      this.#fetchAndPublish(topic).catch((error: unknown) =>
        this.#parts.logger.info(
          { topic: topic.url, error: String(error) },
          'websub: fetch of an external topic failed',
        ),
      ),
    );
  }

  async #fetchAndPublish({ url, channel }: Topic): Promise<void> {
    const { fetchDocument, publisher, newest } = this.#parts;
    const {
      status,
      contentType: contentTypeHeader,
      body,
    } = await fetchDocument(url, {
      timeoutMs: TIMEOUT_MS,
      bytesMax: DOCUMENT_BYTES_MAX,
    });
    if (this.#queue.isClosed) return;
    // The media type comes from another site, and the hub sends it in a header.
    const contentType = writableMediaType(contentTypeHeader);
    if (status !== 200) throw new Error(`the response was ${status}`);
    const known = await newest(channel);
    if (known !== undefined && known.mediaType === contentType && body.equals(known.bytes)) return;
    const content = exactContent(body, contentType);
    const result = await publisher.publishOne({
      channel,
      type: undefined,
      content,
      idempotencyKey: undefined,
      ifMatch: undefined,
    });
    if (!result.ok) throw result.error;
  }
}

/** Size of its strings and of the entry that holds them. */
function bytesOf({ url, channel }: Topic): number {
  return 400 + 2 * (url.length + channel.length);
}

/**
 * Preserves the document byte for byte. JSON is stored as bytes, because publishing would remove
 * its line breaks.
 */
function exactContent(body: Buffer, contentType: string): string {
  const mediaType = parseMediaType(contentType);
  if (mediaType !== undefined && !isJson(mediaType)) return eventContent(body, contentType);
  return `"datacontenttype":${JSON.stringify(contentType)},"data_base64":"${body.toString('base64')}"`;
}
