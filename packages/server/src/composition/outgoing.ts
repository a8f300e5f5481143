import { trustsLoopback } from '../config/listen.ts';
import { createGuardedFetch, type GuardedFetch } from '../outgoing/guarded-fetch.ts';
import { createSender, type ClosableSender } from '../outgoing/sender.ts';
import { packageVersion } from '../platform/package-files.ts';
import type { HubBase } from './base.ts';

/** The two ways to send requests to addresses that others name. */
export interface Outgoing {
  /** Fetches documents: keys of issuers, topics of WebSub publishers. */
  readonly guardedFetch: GuardedFetch;
  /** Sends webhooks. The subscription engine closes it. */
  readonly sender: ClosableSender;
}

export function openOutgoing({ config, logger, shutdown }: HubBase): Outgoing {
  const options = {
    ...config.outgoing,
    loopback: trustsLoopback(config),
    onClientError: (error: unknown): void =>
      logger.error({ error: errorText(error) }, 'outgoing: the HTTP client threw an error; the request has failed'),
  };
  const guardedFetch = createGuardedFetch(options);
  shutdown.add('outgoing', () => guardedFetch.close());
  return { guardedFetch, sender: createSender({ ...options, userAgent: `Polycast/${packageVersion()}` }) };
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
