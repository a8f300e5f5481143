import type { Clock } from '../../../core/ports.ts';
import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { writableMediaType } from '../../../core/events/media-type.ts';
import type { PublishRequest, PublishResult } from '../../../core/publish.ts';
import { ticksOf, type TimingWheel } from '../../../core/primitives/timing-wheel.ts';
import { eventContent } from '../../../publishing/publish-content.ts';
import { Deadline } from '../../../http/body/request-body.ts';
import { isJson, parseMediaType } from '../../../http/body/media-type.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Topic } from './topics.ts';

/** What is fetched: the document and its `Content-Type`, whole. Rejects when it cannot be had. */
export type FetchTopic = (
  url: string,
  bounds: { readonly timeoutMs: number; readonly bytesMax: number },
) => Promise<{ readonly status: number; readonly contentType: string | undefined; readonly body: Buffer }>;

export interface ExternalTopicsParts {
  readonly fetchTopic: FetchTopic;
  readonly publisher: { publishOne(request: PublishRequest): Promise<PublishResult> };
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly logger: { info(fields: object, message: string): void };
  /** From one fetch of a topic to the next, at least. */
  readonly intervalMs: number;
  hasSubscribers(channel: string): boolean;
  /** What the channel holds at present, as it was published. */
  newest(channel: string): Promise<{ readonly mediaType: string; readonly bytes: Uint8Array } | undefined>;
}

const FETCHES_MAX = 8;
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** Topics whose last fetch is remembered; beyond it the longest ago are forgotten. */
const REMEMBERED_MAX = 10_000;
const TIMEOUT_MS = 15_000;
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;

/** Topics of other sites: fetched when their publishers say that they have changed, and published here if they have. */
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

  /** Its publisher, or somebody who says so, has told that it has changed. What comes too soon after a fetch is done once, later. */
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

  /** Pings that wait: for their turn, and for the time to fetch again. */
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
    if (this.#fetched.size > REMEMBERED_MAX) this.#fetched.delete(oldest as string);
    this.#queue.add(topic.channel, bytesOf(topic), () =>
      this.#fetchAndPublish(topic).catch((error: unknown) =>
        this.#parts.logger.info({ topic: topic.url, error: String(error) }, 'a WebSub topic could not be fetched'),
      ),
    );
  }

  async #fetchAndPublish({ url, channel }: Topic): Promise<void> {
    const { fetchTopic, publisher, newest } = this.#parts;
    const {
      status,
      contentType: contentTypeHeader,
      body,
    } = await fetchTopic(url, {
      timeoutMs: TIMEOUT_MS,
      bytesMax: DOCUMENT_BYTES_MAX,
    });
    if (this.#queue.isClosed) return;
    // Whatever a site says of its document, the hub says it again as a header.
    const contentType = writableMediaType(contentTypeHeader);
    if (status !== 200) throw new Error(`it was answered ${status}`);
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

/** Its texts, and what holds them. */
function bytesOf({ url, channel }: Topic): number {
  return 400 + 2 * (url.length + channel.length);
}

/** Somebody else's document is passed on byte for byte; JSON, which publishing would rid of its line breaks, as bytes. */
function exactContent(body: Buffer, contentType: string): string {
  const mediaType = parseMediaType(contentType);
  if (mediaType !== undefined && !isJson(mediaType)) return eventContent(body, contentType);
  return `"datacontenttype":${JSON.stringify(contentType)},"data_base64":"${body.toString('base64')}"`;
}
