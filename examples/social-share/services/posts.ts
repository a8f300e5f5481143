import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';
import { connect } from '@polycast/client';
import { createPublisher } from '@polycast/client/server';

/** The post service stores a post, and then makes a job of it for each network. */
const { PORT, POLYCAST_URL = '', POLYCAST_KEY = '', DATA_FOLDER = '.' } = process.env;
const DELIVERIES_MAX = 3;

const database = new DatabaseSync(join(DATA_FOLDER, 'posts.sqlite'));
database.exec(`
  CREATE TABLE IF NOT EXISTS posts (id TEXT PRIMARY KEY, text TEXT NOT NULL, networks TEXT NOT NULL, queued INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`);
const insert = database.prepare('INSERT INTO posts (id, text, networks) VALUES (?, ?, ?)');
const waiting = database.prepare('SELECT * FROM posts WHERE queued = 0');
const markQueued = database.prepare('UPDATE posts SET queued = 1 WHERE id = ?');

const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY });
const queue = await openQueue();
for (const { id, text, networks } of waiting.all())
  await makeJobs(String(id), String(text), String(networks).split(','));

// A job that failed as often as it may is a dead letter. The hub says so.
connect(POLYCAST_URL, { token: POLYCAST_KEY }).subscribe<{ channel: string; event: string }>(
  `polycast.subscriptions.${queue}`,
  async ({ data }) => {
    const [, post = '', network = ''] = data.channel.split('.');
    const state = { network, state: 'failed', reason: `given up after ${DELIVERIES_MAX} attempts` };
    await hub.publish(`posts.${post}`, state, { idempotencyKey: `dead-${data.event}` });
  },
  { types: ['polycast.subscription.dead-letter'], after: 'earliest' },
);

createServer((request, response) => void answer(request, response)).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Workers ask which queue is theirs.
  if (request.url === '/queue') return send(response, 200, { queue });
  if (request.method !== 'POST') return send(response, 405, {});
  const { text, networks } = (await json(request)) as { text: string; networks: string[] };
  const id = crypto.randomUUID().slice(0, 8);
  insert.run(id, text, networks.join(','));
  await makeJobs(id, text, networks);
  send(response, 202, { id });
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

/** The queue is a pull subscription. It is made once, and the database has its id. */
async function openQueue(): Promise<string> {
  const known = database.prepare("SELECT value FROM settings WHERE name = 'queue'").get();
  if (known !== undefined) return String(known['value']);
  const answer = await fetch(`${POLYCAST_URL}/v1/subscriptions`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${POLYCAST_KEY}`,
      'Idempotency-Key': 'share-queue',
    },
    body: JSON.stringify({ channels: ['jobs.>'], delivery: { kind: 'pull', deliveriesMax: DELIVERIES_MAX } }),
  });
  const { id } = (await answer.json()) as { id: string };
  database.prepare("INSERT INTO settings VALUES ('queue', ?)").run(id);
  return id;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
