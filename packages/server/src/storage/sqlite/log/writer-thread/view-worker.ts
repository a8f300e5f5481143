import { unpackBlocks } from '../block-buffer.ts';
import type { AppliedAnswer, WriterOptions, WriterRequest } from '../messages.ts';
import { serve, threadOptions } from '../../thread.ts';
import { ViewWriter } from './view-writer.ts';

/**
 * The thread of the writer of a view. Requests and housekeeping are those of `writer-worker.ts`.
 */
let writer: ViewWriter | undefined;

serve<WriterRequest>(
  (request) => {
    if (request.kind === 'open') {
      writer = new ViewWriter(threadOptions<WriterOptions>());
      return { value: writer.opened };
    }
    const opened = writer as ViewWriter;
    switch (request.kind) {
      case 'apply':
        return {
          value: [opened.apply(unpackBlocks(request), request.isBehind), request.buffer] satisfies AppliedAnswer,
          transfer: [request.buffer],
        };
      case 'end_build':
        return { value: opened.log.endBuild() };
      case 'overwrite':
        return { value: opened.overwrite() };
      case 'identity':
        return { value: opened.identity() };
      case 'audit':
        return { value: opened.auditPage(request.before, request.limit) };
      case 'subscription_state':
        return { value: opened.subscriptionState() };
      case 'subscriptions':
        return { value: opened.subscriptions(request.after, request.limit) };
      case 'dead_letters':
        return { value: opened.deadLetters(request.subscription, request.query) };
      case 'channels':
        return { value: opened.log.channels(request.query, request.progress) };
      case 'probe':
        opened.log.probe();
        return { value: opened.opened };
      case 'append':
      case 'trim':
      case 'erase':
        throw new Error('a view changes by blocks alone');
      case 'close':
        return void writer?.log.close();
    }
  },
  () => {
    if (writer?.log.isHousekeepingDue === true) writer.log.runHousekeeping();
  },
);
