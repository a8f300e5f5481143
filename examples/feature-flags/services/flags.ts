import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';
import { createPublisher } from '@polycast/client/server';

/**
 * The flag service. Its database has the flags, and every change with the admin who made it. A
 * change is stored first, and published after that: `published` says how far that has come.
 */
const { PORT, POLYCAST_URL = '', POLYCAST_KEY = '', DATA_FOLDER = '.' } = process.env;
const RETRY_MS = 1000;
const database = new DatabaseSync(join(DATA_FOLDER, 'flags.sqlite'));
// With a write-ahead log, a commit waits for one sync of the disk. With a rollback journal it waits
// for several, and each of them delays the hub's own sync on the same disk.
database.exec(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, enabled INTEGER NOT NULL, percent INTEGER NOT NULL,
    admin TEXT NOT NULL, changedMs INTEGER NOT NULL, published INTEGER NOT NULL DEFAULT 0, UNIQUE (name, version)
  ) STRICT`);
const insert = database.prepare(
  'INSERT INTO changes (name, version, enabled, percent, admin, changedMs) VALUES (?, ?, ?, ?, ?, ?)',
);
const current = database.prepare('SELECT * FROM changes WHERE name = ? ORDER BY version DESC LIMIT 1');
const list = database.prepare('SELECT *, max(version) AS version FROM changes GROUP BY name ORDER BY name');
const unpublished = database.prepare('SELECT * FROM changes WHERE published = 0 ORDER BY id LIMIT 1');
const markPublished = database.prepare('UPDATE changes SET published = 1 WHERE id = ?');

/** A row of the database. */
interface Change {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  readonly enabled: number;
  readonly percent: number;
  readonly admin: string;
  readonly changedMs: number;
}

const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY });
let isPublishing = false;

if (current.get('gift-wrap') === undefined)
  for (const name of ['gift-wrap', 'one-page-checkout']) insert.run(name, 1, 1, 25, 'setup', Date.now());
publish();

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => send(response, 400, { error: String(error) }));
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = /^\/api\/flags\/([\w-]+)$/.exec(request.url ?? '')?.[1];
  if (request.method === 'GET') return send(response, 200, list.all());
  const flag = name === undefined ? undefined : (current.get(name) as Change | undefined);
  if (request.method !== 'PUT' || flag === undefined) return send(response, 404, { error: 'There is no such flag.' });
  const { enabled, percent, admin } = (await json(request)) as { enabled: boolean; percent: number; admin: string };
  // Whoever edited an older version is told, and gets the newer one.
  if (request.headers['if-match'] !== `"${flag.version}"`) return send(response, 412, flag);
  insert.run(flag.name, flag.version + 1, enabled ? 1 : 0, percent, admin, Date.now());
  publish();
  send(response, 200, current.get(flag.name));
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

/** Publishes what is not published yet, in order. While the hub is down it tries again. */
function publish(): void {
  if (isPublishing) return;
  isPublishing = true;
  publishAll()
    .catch(() => setTimeout(publish, RETRY_MS))
    .finally(() => (isPublishing = false));
}

async function publishAll(): Promise<void> {
  for (let next = unpublished.get(); next !== undefined; next = unpublished.get()) {
    const { id, name, version, enabled, percent, changedMs } = next as unknown as Change;
    const flag = { name, version, enabled: enabled === 1, percent, changedMs };
    await hub.publish(`flags.${name}`, flag, { type: 'flag.changed', idempotencyKey: `flag-${id}` });
    markPublished.run(id);
  }
}
