import type { ReaderOptions, ReaderRequest } from './messages.ts';
import { encodePage } from './page-codec.ts';
import type { PackedPage } from './page-codec.ts';
import { Reader } from './reader.ts';
import { serve, threadOptions } from '../../sqlite/thread.ts';

/** The thread of the reader: one read after the other. After an error the connection is opened anew. */
let reader: Reader | undefined;

function reading<Result>(read: (opened: Reader) => Result): Result {
  reader ??= new Reader(threadOptions<ReaderOptions>().folder);
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
      reader = new Reader(threadOptions<ReaderOptions>().folder);
      return { value: undefined };
    case 'read': {
      const page: PackedPage = reading((opened) => encodePage(opened.read(request.query)));
      return { value: page, transfer: [page.numbers.buffer, page.bodies] };
    }
    case 'check':
      return { value: reading((opened) => opened.check(request.after, request.through)) };
    case 'close':
      return void reader?.close();
  }
});
