import type { ReaderOptions, ReaderRequest } from '../messages.ts';
import { encodePage } from '../page-codec.ts';
import type { PackedPage } from '../page-codec.ts';
import { LogReader } from './log-reader.ts';
import { serve, threadOptions } from '../../thread.ts';

/**
 * The thread of the reader. It does one read after the other. After an error it opens a new
 * connection.
 */
let reader: LogReader | undefined;

function withReader<Result>(read: (opened: LogReader) => Result): Result {
  reader ??= new LogReader(threadOptions<ReaderOptions>().folder);
  try {
    return read(reader);
  } catch (error) {
    reader.close();
    reader = undefined;
    throw error;
  }
}

serve<ReaderRequest>((request) => {
  switch (request.kind) {
    case 'open':
      reader = new LogReader(threadOptions<ReaderOptions>().folder);
      return { value: undefined };
    case 'head':
      return { value: withReader((opened) => opened.head()) };
    case 'read': {
      const page: PackedPage = withReader((opened) => encodePage(opened.read(request.query)));
      return { value: page, transfer: [page.numbers.buffer, page.bodies] };
    }
    case 'count':
      return { value: withReader((opened) => opened.count(request.query)) };
    case 'check':
      return { value: withReader((opened) => opened.check(request.after, request.through)) };
    case 'close':
      return void reader?.close();
  }
});
