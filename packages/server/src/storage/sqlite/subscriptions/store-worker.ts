import { UnavailableError } from '../failure.ts';
import { serve, threadOptions } from '../thread.ts';
import type { StoreThreadOptions, StoreRequest } from './messages.ts';
import { SubscriptionWriter } from './subscription-writer.ts';

/**
 * The thread of the store. It answers requests in order. Without a request to open, the first other
 * one creates the file.
 */
let writer: SubscriptionWriter | undefined;

function open(): SubscriptionWriter {
  return (writer ??= new SubscriptionWriter(threadOptions<StoreThreadOptions>()));
}

/** The writer. A file that cannot be created is tried again with the next request. */
function opened(): SubscriptionWriter {
  try {
    return open();
  } catch (error) {
    throw new UnavailableError(error);
  }
}

serve<StoreRequest>((request) => {
  switch (request.kind) {
    case 'open':
      return { value: open().opened };
    case 'load':
      return { value: opened().load(request.after, request.limit) };
    case 'apply':
      return { value: opened().apply(request.changes, request.isAwaited) };
    case 'attempts':
      return { value: opened().attempts(request.query) };
    case 'dead_letters':
      return { value: opened().deadLetters(request.subscription, request.query) };
    case 'erase_attempts':
      return { value: opened().eraseAttempts(request.query) };
    case 'close':
      return void writer?.close();
  }
});
