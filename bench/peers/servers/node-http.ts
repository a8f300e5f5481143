// usage: node node-http.ts PORT
import { createServer, type ServerResponse } from 'node:http';
import { readBody } from './read-body.ts';

const entityTag = 'W/"0000000000-00000000042"';
const readersByChannel = new Map<string, Set<ServerResponse>>();
let accepted = 0;

const server = createServer((request, response) => {
  const [, route = '', channel = ''] = (request.url ?? '').split('/');
  if (request.method === 'POST') {
    readBody(request, (body) => {
      const data: unknown = JSON.parse(body);
      const readers = readersByChannel.get(channel);
      if (readers !== undefined) deliver(readers, data);
      const answer = JSON.stringify({ id: String(++accepted) });
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    });
  } else if (route === 'events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    subscribe(channel, response);
  } else if (request.headers['if-none-match'] === entityTag) {
    response.writeHead(304, { etag: entityTag }).end();
  } else {
    response.writeHead(200, { etag: entityTag, 'content-length': 2 }).end('{}');
  }
});

function deliver(readers: Set<ServerResponse>, data: unknown): void {
  const frame = Buffer.from(`data: ${JSON.stringify(data)}\n\n`);
  for (const reader of readers) reader.write(frame);
}

function subscribe(channel: string, reader: ServerResponse): void {
  let readers = readersByChannel.get(channel);
  if (readers === undefined) readersByChannel.set(channel, (readers = new Set()));
  readers.add(reader);
  reader.on('close', () => readers.delete(reader));
}

server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
