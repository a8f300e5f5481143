import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';

/**
 * The system of another company: an address that the hub calls, and a database of what has arrived.
 * `/fault` makes it `down` or `slow`.
 */
const { PORT, DATA_FOLDER = '.' } = process.env;
const SLOW_MS = 1000;
let fault = 'none';
let requests = 0;

const database = new DatabaseSync(join(DATA_FOLDER, 'partner.sqlite'));
database.exec(`
  CREATE TABLE IF NOT EXISTS items (number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`);
const insert = database.prepare('INSERT INTO items (id, text) VALUES (?, ?) ON CONFLICT DO NOTHING');
const newest = database.prepare('SELECT text FROM items ORDER BY number DESC LIMIT 500');
const setting = database.prepare('SELECT value FROM settings WHERE name = ?');
const store = database.prepare('INSERT INTO settings VALUES (?, ?)');

/** The same event may come twice; it is stored once. */
export function keep(id: string, text: string): void {
  insert.run(id, text);
}

/** A value that is made once, and survives restarts: a key, a secret. */
export async function once(name: string, make: () => Promise<string>): Promise<string> {
  const known = setting.get(name)?.['value'];
  if (known !== undefined) return String(known);
  const value = await make();
  store.run(name, value);
  return value;
}

/** @param receive answers the hub's requests to the path that ends with `/hook` */
export async function listen(
  receive: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    // Anybody may send anything here, such as a body with a wrong signature.
    answer(request, response).catch(() => response.writeHead(400).end());
  });
  server.listen(Number(PORT), '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    if (request.url?.endsWith('/fault') === true) {
      ({ fault } = (await json(request)) as { fault: string });
      return response.end();
    }
    if (request.url?.endsWith('/hook') !== true && request.url?.includes('/hook?') !== true)
      return response.end(JSON.stringify({ fault, requests, items: newest.all().map(({ text }) => text) }));
    requests++;
    if (fault === 'down') return response.writeHead(503).end();
    if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    return receive(request, response);
  }
}

/** Signs up at the shop, for a key of its own. */
export function partnerKey(name: string): Promise<string> {
  return once('key', async () => {
    const answer = await fetch(`${process.env['SHOP_URL']}/api/shop/partners/${name}`, { method: 'POST', body: '{}' });
    return ((await answer.json()) as { key: string }).key;
  });
}

export async function subscribeAt(path: string, key: string, body: object): Promise<{ id: string; secret?: string }> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };
  const answer = await fetch(process.env['POLYCAST_URL'] + path, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as { id: string; secret?: string };
}
