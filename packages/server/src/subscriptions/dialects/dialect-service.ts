import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import type { Random } from '../../core/ports.ts';
import type { EventPublisher } from '../../core/publish.ts';
import type { Route } from '../../auth/route.ts';
import type { SubscriptionParts } from '../http/parts.ts';

/**
 * The routes and the background work that a dialect has of its own. Example: `POST /v1/websub`, and
 * the requests that wait for their verification.
 */
export interface DialectService {
  readonly routes: readonly Route[];
  /** Its bounded queues, for the memory metrics. */
  readonly memoryUsage: Readonly<Record<string, MemoryUsage>>;
  /** Called once, after the engine has loaded the subscriptions. */
  start(): void;
  /** Starts no new work, and finishes the work in flight. Call it before the engine closes. */
  close(): Promise<void>;
}

/** The parts that dialects with a service need. */
export interface DialectDependencies {
  readonly parts: SubscriptionParts;
  readonly publisher: EventPublisher;
  /** The hub's public URL, if it is configured; without a slash at the end. */
  readonly publicUrl: string | undefined;
  readonly random: Random;
  readonly fetchDocument: FetchDocument;
}

/**
 * Fetches a whole document and its `Content-Type`. Rejects if the document is unavailable or too
 * large.
 */
export type FetchDocument = (
  url: string,
  bounds: { readonly timeoutMs: number; readonly bytesMax: number },
) => Promise<{ readonly status: number; readonly contentType: string | undefined; readonly body: Buffer }>;
