import type { WriterOptions, WriterRequest } from './messages.ts';
import { serve, threadOptions } from '../../sqlite/thread.ts';
import { Writer } from './writer.ts';

/** The thread of the writer: requests in their order, and housekeeping once the one that made it due is answered. */
let writer: Writer | undefined;

serve<WriterRequest>(
  (request) => {
    if (request.kind === 'open') {
      writer = new Writer(threadOptions<WriterOptions>());
      return { value: writer.opened };
    }
    const opened = writer as Writer;
    switch (request.kind) {
      case 'append':
        return { value: opened.append(request.batch) };
      case 'trim':
        return { value: opened.trim(request.orders, request.nowMs) };
      case 'channels':
        return { value: opened.channels(request.query) };
      case 'probe':
        return { value: opened.probe() };
      case 'close':
        return void writer?.close();
    }
  },
  () => {
    if (writer?.isHousekeepingDue === true) writer.keepHouse();
  },
);
