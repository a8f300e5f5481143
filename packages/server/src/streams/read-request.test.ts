import { once } from 'node:events';
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS } from '../core/access/principal.ts';
import { createFeedWorld, event } from '../core/testing/feed-world.ts';
import { createExchange, type Exchange } from '../http/http2/http2-exchange.ts';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { createTestAuth } from '../testing/test-auth.ts';
import { createReadRequest } from './read-request.ts';
import { EventsQueryParser } from './events-query.ts';

/** Serves HTTP/2 without TLS; resolves with the first stream of a client. */
async function openExchange(): Promise<{ readonly exchange: Exchange; readonly cancel: () => void }> {
  const server = createServer();
  const asked = new Promise<Exchange>((resolve) =>
    server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
      stream.on('error', () => undefined);
      const { socket } = stream.session ?? {};
      if (socket !== undefined) resolve(createExchange(stream, headers, rawHeaders, socket));
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    session.destroy();
    server.close();
  });
  const stream = session.request({ ':path': '/v1/events' });
  stream.on('error', () => undefined);
  return { exchange: await asked, cancel: () => stream.close(8) };
}

test('the search for the start of a history ends with its HTTP/2 stream, not with the connection', async () => {
  const { feed, log } = createFeedWorld(createMemoryLog());
  // Each of them fills a page of the search.
  for (let count = 0; count < 4; count++) await log.append([event('orders', undefined, 700_000)]);
  const query = new EventsQueryParser({ channelsPerConsumerMax: 1, pollWaitMaxSeconds: 60 }).parse(
    '/v1/events?channel=orders&history=4',
  );
  const { exchange, cancel } = await openExchange();
  const { request, response } = exchange;
  log.isHolding = true;
  const created = createReadRequest({ auth: createTestAuth(), feed, log }, request, response, query, ANONYMOUS);
  const outcome = Promise.resolve(created).catch((error: unknown) => error);
  await expect.poll(() => log.queries.length).toBe(1);
  cancel();
  await expect.poll(() => response.destroyed).toBe(true);
  expect(request.socket.destroyed).toBe(false);
  log.release();
  expect(await outcome).toMatchObject({ code: 'overloaded', message: 'The read was cancelled.' });
  expect(log.queries).toHaveLength(1);
});
