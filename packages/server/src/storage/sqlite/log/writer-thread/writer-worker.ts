import type { Committed, CommittedMessage, WriterOptions, WriterRequest } from '../messages.ts';
import { serve, threadOptions } from '../../thread.ts';
import { LogWriter } from './log-writer.ts';

/**
 * The thread of the writer. It answers requests in order. Housekeeping runs after the answer to the
 * request that made it due.
 */
let writer: LogWriter | undefined;

serve<WriterRequest>(
  (request) => {
    if (request.kind === 'open') {
      writer = new LogWriter(threadOptions<WriterOptions>());
      return { value: writer.opened };
    }
    const opened = writer as LogWriter;
    switch (request.kind) {
      case 'append':
        return { value: messageOf(opened.append(request.batch)) };
      case 'trim':
        return { value: opened.trim(request.orders, request.nowMs) };
      case 'erase':
        return { value: opened.erase(request.order) };
      case 'overwrite':
        return { value: opened.overwrite() };
      case 'channels':
        return { value: opened.channels(request.query, request.progress) };
      case 'apply':
      case 'identity':
      case 'audit':
        throw new Error('only a view has them');
      case 'probe':
        return { value: opened.probe() };
      case 'close':
        return void writer?.close();
    }
  },
  () => {
    if (writer?.isHousekeepingDue === true) writer.runHousekeeping();
  },
);

function messageOf(committed: Committed): CommittedMessage {
  return committed.notAppended.length === 0 ? committed.firstPosition : committed;
}
