import type { HubBase } from './base.ts';
import type { StreamParts } from '../streams/routes.ts';
import type { GuardedFetch } from '../outgoing/guarded-fetch.ts';
import type { DialectService } from '../subscriptions/dialects/dialect-service.ts';
import { openDialectServices } from '../subscriptions/dialects/open-dialects.ts';
import type { SubscriptionParts } from '../subscriptions/http/parts.ts';

export interface DialectOptions {
  readonly parts: SubscriptionParts;
  readonly streams: StreamParts;
  readonly outgoing: GuardedFetch;
}

/** Opens the dialects with routes of their own. */
export function openDialects(
  { config: settings, world: { random } }: HubBase,
  { parts, streams, outgoing }: DialectOptions,
): DialectService {
  return openDialectServices({
    parts,
    publisher: streams.publisher,
    publicUrl: streams.settings.publicUrl,
    settings,
    random,
    fetchDocument: async (url, bounds) => {
      const { status, headers, body } = await outgoing.fetch(url, bounds);
      const type = headers['content-type'];
      return { status, contentType: Array.isArray(type) ? type[0] : type, body };
    },
  });
}
