import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';

/**
 * Three simulated networks. Each remembers the idempotency keys of posts: a repeated request gets
 * the same answer, and posts nothing a second time. `/faults` chooses how a network misbehaves.
 */
const { PORT, DATA_FOLDER = '.' } = process.env;
const HANG_MS = 20_000;
const POSTS_PER_SECOND = 2;
const faults = new Map([
  ['chirper', 'none'],
  ['pixagram', 'none'],
  ['linkboard', 'none'],
]);
const acceptedMs: number[] = [];

const database = new DatabaseSync(join(DATA_FOLDER, 'networks.sqlite'));
database.exec(
  'CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, network TEXT, key TEXT, text TEXT, UNIQUE (network, key)) STRICT',
);
const insert = database.prepare('INSERT INTO posts (network, key, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
const find = database.prepare('SELECT id FROM posts WHERE network = ? AND key = ?');
const list = database.prepare('SELECT network, text FROM posts ORDER BY id DESC LIMIT 200');

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => send(response, 400, { error: String(error) }));
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, network = '', action] = /^\/api\/networks\/(\w+)\/(\w+)$/.exec(request.url ?? '') ?? [];
  if (request.method === 'GET') return send(response, 200, { faults: Object.fromEntries(faults), posts: list.all() });
  if (request.method !== 'POST' || !faults.has(network)) return send(response, 404, {});
  const body = (await json(request)) as { fault?: string; text?: string };
  if (action === 'faults') return send(response, 200, faults.set(network, body.fault ?? 'none').size);
  return post(network, String(request.headers['idempotency-key']), body.text ?? '', response);
}

function post(network: string, key: string, text: string, response: ServerResponse): void {
  const fault = faults.get(network);
  if (text.includes('spam')) return send(response, 422, { error: 'The network does not want this.' });
  if (fault === 'fails') return send(response, 503, { error: 'The network is down.' });
  if (fault === 'limits' && acceptedMs.filter((ms) => ms > Date.now() - 1000).length >= POSTS_PER_SECOND)
    return send(response.setHeader('Retry-After', '1'), 429, { error: 'Too many posts.' });
  acceptedMs.push(Date.now());
  insert.run(network, key, text);
  const accepted = { id: find.get(network, key)?.['id'] };
  // The worst case: the post is there, and its answer is not.
  if (fault === 'hangs') setTimeout(() => send(response, 201, accepted), HANG_MS);
  else send(response, 201, accepted);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
