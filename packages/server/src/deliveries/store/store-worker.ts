import { serve, threadOptions } from '../../sqlite/thread.ts';
import type { StoreOptions, StoreRequest } from './messages.ts';
import { StoreWriter } from './store-writer.ts';

/** The thread of the store: requests in their order. */
let writer: StoreWriter | undefined;

serve<StoreRequest>((request) => {
  if (request.kind === 'open') {
    writer = new StoreWriter(threadOptions<StoreOptions>());
    return { value: writer.opened };
  }
  const opened = writer as StoreWriter;
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
