import { serve, threadOptions } from '../thread.ts';
import type { StoreThreadOptions, StoreRequest } from './messages.ts';
import { SubscriptionWriter } from './subscription-writer.ts';

/** The thread of the store. It answers requests in order. */
let writer: SubscriptionWriter | undefined;

serve<StoreRequest>((request) => {
  if (request.kind === 'open') {
    writer = new SubscriptionWriter(threadOptions<StoreThreadOptions>());
    return { value: writer.opened };
  }
  const opened = writer as SubscriptionWriter;
  switch (request.kind) {
    case 'load':
      return { value: opened.load(request.after, request.limit) };
    case 'apply':
      return { value: opened.apply(request.changes, request.isAwaited) };
    case 'attempts':
      return { value: opened.attempts(request.query) };
    case 'dead_letters':
      return { value: opened.deadLetters(request.subscription, request.query) };
    case 'close':
      return void writer?.close();
  }
});
