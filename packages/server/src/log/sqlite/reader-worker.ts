import type { ReaderOptions, ReaderRequest } from './messages.ts';
import { encodePage } from './page-codec.ts';
import { Reader } from './reader.ts';
import { serve, threadOptions } from './thread.ts';

/** The thread of the reader: one read after the other. */
let reader: Reader | undefined;

serve<ReaderRequest>((request) => {
  switch (request.kind) {
    case 'open':
      reader = new Reader(threadOptions<ReaderOptions>().folder);
      return { value: undefined };
    case 'read': {
      const page = encodePage((reader as Reader).read(request.query));
      return { value: page, transfer: [page.numbers.buffer, page.bodies] };
    }
    case 'close':
      return void reader?.close();
  }
});
