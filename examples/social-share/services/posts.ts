import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';
import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';

/** The post service stores a post, and then makes a job of it for each network. */
const { PORT, POLYCAST_URL = '', POLYCAST_KEY = '', DATA_FOLDER = '.' } = process.env;
const DELIVERIES_MAX = 3;
const RETRY_MS = 1000;

const database = new DatabaseSync(join(DATA_FOLDER, 'posts.sqlite'));
database.exec(`
  CREATE TABLE IF NOT EXISTS posts (id TEXT PRIMARY KEY, text TEXT NOT NULL, networks TEXT NOT NULL, queued INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`);
const insert = database.prepare('INSERT INTO posts (id, text, networks) VALUES (?, ?, ?)');
const waiting = database.prepare('SELECT * FROM posts WHERE queued = 0 ORDER BY rowid LIMIT 1');
const markQueued = database.prepare('UPDATE posts SET queued = 1 WHERE id = ?');
const cursor = database.prepare("SELECT value FROM settings WHERE name = 'cursor'");
const setCursor = database.prepare("INSERT OR REPLACE INTO settings VALUES ('cursor', ?)");

// The hub may be away for long: nobody waits for these calls.
const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY, timeoutMs: 86_400_000 });
const queue = await openQueue();
let isQueueing = false;
queuePosts();

// A job that failed as often as it may is a dead letter. The hub says so.
connect(POLYCAST_URL, { token: POLYCAST_KEY }).subscribe<{ channel: string; event: string }>(
  `polycast.subscriptions.${queue}`,
  async ({ id, data }) => {
    const [, post = '', network = ''] = data.channel.split('.');
    const state = { network, state: 'failed', reason: `given up after ${DELIVERIES_MAX} attempts` };
    await hub.publish(`posts.${post}`, state, { idempotencyKey: `dead-${data.event}` });
    setCursor.run(id);
  },
  { types: ['polycast.subscription.dead-letter'], after: String(cursor.get()?.['value'] ?? 'earliest') },
);

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => send(response, 400, { error: String(error) }));
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Workers ask which queue is theirs.
  if (request.url === '/queue') return send(response, 200, { queue });
  if (request.method !== 'POST') return send(response, 405, {});
  const { text, networks } = (await json(request)) as { text: string; networks: string[] };
  // A name becomes a part of a channel. One that the hub refuses would hold up all later posts.
  if (networks.length === 0 || !networks.every((network) => /^\w{1,40}$/.test(network)))
    return send(response, 400, { error: 'Choose a network.' });
  const id = crypto.randomUUID().slice(0, 8);
  insert.run(id, text, networks.join(','));
  queuePosts();
  send(response, 202, { id });
}

/** Makes the jobs of the stored posts, in order, until the hub has all of them. */
function queuePosts(): void {
  if (isQueueing) return;
  isQueueing = true;
  queueAll()
    .catch((error: unknown) => {
      console.error(error);
      setTimeout(queuePosts, RETRY_MS);
    })
    .finally(() => (isQueueing = false));
}

async function queueAll(): Promise<void> {
  for (let post = waiting.get(); post !== undefined; post = waiting.get())
    await makeJobs(String(post['id']), String(post['text']), String(post['networks']).split(','));
}

/** An idempotency key for each, because this is repeated for a post after a crash. */
async function makeJobs(id: string, text: string, networks: readonly string[]): Promise<void> {
  const states = networks.map((network) => ({
    channel: `posts.${id}`,
    data: { network, state: 'queued' },
    idempotencyKey: `queued-${id}-${network}`,
  }));
  const jobs = networks.map((network) => ({
    channel: `jobs.${id}.${network}`,
    data: { post: id, network, text },
    idempotencyKey: `job-${id}-${network}`,
  }));
  const results = await hub.publishMany([...states, ...jobs]);
  if (results.some((result) => 'error' in result)) throw new Error(JSON.stringify(results));
  markQueued.run(id);
}

/**
 * The queue is a pull subscription. It has a name, so that it is made once,
 * however often this starts.
 */
async function openQueue(): Promise<string> {
  const answer = await fetch(`${POLYCAST_URL}/v1/subscriptions/share-queue`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${POLYCAST_KEY}` },
    body: JSON.stringify({ channels: ['jobs.>'], delivery: { kind: 'pull', deliveriesMax: DELIVERIES_MAX } }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return ((await answer.json()) as { id: string }).id;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
