import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';
import { createPublisher } from '@polycast/client/server';

/**
 * The shop. A sale and the event of it are one transaction; events are published after that,
 * in order.
 */
const { PORT, POLYCAST_URL = '', POLYCAST_KEY = '', DATA_FOLDER = '.' } = process.env;
const RETRY_MS = 500;
const PRICES = { bread: 420, pretzel: 150, cake: 1900 };

const database = new DatabaseSync(join(DATA_FOLDER, 'shop.sqlite'));
database.exec(`
  CREATE TABLE IF NOT EXISTS products (name TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, product TEXT NOT NULL, cents INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'placed') STRICT;
  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL) STRICT`);
const addProduct = database.prepare('INSERT OR IGNORE INTO products VALUES (?, ?)');
const setPrice = database.prepare('UPDATE products SET cents = ? WHERE name = ?');
const products = database.prepare('SELECT name, cents FROM products');
const addOrder = database.prepare(
  'INSERT INTO orders (product, cents) SELECT name, cents FROM products WHERE name = ? RETURNING id, product, cents',
);
const refund = database.prepare(
  "UPDATE orders SET state = 'refunded' WHERE id = ? AND state = 'placed' RETURNING id, cents",
);
const recent = database.prepare('SELECT * FROM orders ORDER BY id DESC LIMIT 6');
const addEvent = database.prepare('INSERT INTO outbox (channel, type, data) VALUES (?, ?, ?)');
const pending = database.prepare('SELECT * FROM outbox ORDER BY id LIMIT 500');
const removeEvents = database.prepare('DELETE FROM outbox WHERE id <= ?');

const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY });
let isPublishing = false;

for (const [name, cents] of Object.entries(PRICES)) addProduct.run(name, cents);
addEvent.run('shop.prices', 'prices.changed', JSON.stringify(products.all()));
publish();

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => send(response, 400, { error: String(error) }));
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, what, name = ''] = /^\/api\/shop\/(\w+)\/?([\w-]*)$/.exec(request.url ?? '') ?? [];
  const body = request.method === 'POST' ? ((await json(request)) as { cents?: number }) : {};
  const changes: Readonly<Record<string, () => object>> = {
    orders: () => sell(name),
    refunds: () => payBack(Number(name)),
    prices: () => reprice(name, body.cents ?? 0),
  };
  const change = changes[what ?? ''];
  if (change !== undefined) return send(response, 201, transaction(change));
  if (what === 'portal') return send(response, 201, await portalLink(name));
  if (what === 'partners') return send(response, 201, await partnerKey(name));
  return send(response, 200, { products: products.all(), orders: recent.all(), partners: await partners() });
}

function transaction(change: () => object): object {
  database.exec('BEGIN');
  try {
    const result = change();
    database.exec('COMMIT');
    publish();
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

function sell(product: string): object {
  const order = addOrder.get(product) as { id: number; product: string; cents: number };
  const { id, ...rest } = order;
  addEvent.run('shop.orders', 'order.placed', JSON.stringify({ order: id, ...rest }));
  return order;
}

function payBack(id: number): object {
  const order = refund.get(id);
  if (order !== undefined)
    addEvent.run('shop.orders', 'order.refunded', JSON.stringify({ order: id, cents: order['cents'] }));
  return { id, isRefunded: order !== undefined };
}

function reprice(name: string, cents: number): object {
  setPrice.run(cents, name);
  addEvent.run('shop.prices', 'prices.changed', JSON.stringify(products.all()));
  return { name, cents };
}

function publish(): void {
  if (isPublishing) return;
  isPublishing = true;
  publishAll()
    .catch((error: unknown) => {
      console.error(error);
      setTimeout(publish, RETRY_MS);
    })
    .finally(() => (isPublishing = false));
}

async function publishAll(): Promise<void> {
  for (let rows = pending.all(); rows.length > 0; rows = pending.all()) {
    const events = rows.map(({ id, channel, type, data }) => ({
      channel: String(channel),
      type: String(type),
      data: JSON.parse(String(data)) as unknown,
      idempotencyKey: `shop-${id}`,
    }));
    const results = await hub.publishMany(events);
    const refused = results.find((result) => 'error' in result);
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
    removeEvents.run(rows.at(-1)?.['id'] ?? 0);
  }
}

/**
 * A partner signs up, and gets a key that can read orders and subscribe to them, and nothing else.
 */
async function partnerKey(name: string): Promise<object> {
  const scopes = { subscribe: ['shop.orders'], subscriptions: ['shop.orders'] };
  return ask('/v1/keys', { method: 'POST', body: JSON.stringify({ name, scopes }) });
}

/**
 * The hub's page on which a partner sees and changes its own webhooks.
 * A real shop asks for a login first.
 */
function portalLink(owner: string): Promise<object> {
  return ask('/v1/portal-links', { method: 'POST', body: JSON.stringify({ owner, channels: ['shop.orders'] }) });
}

/**
 * What the hub knows of the partners' subscriptions. The path of each address names the partner.
 */
async function partners(): Promise<object> {
  const { subscriptions } = (await ask('/v1/subscriptions').catch(() => ({ subscriptions: [] }))) as {
    subscriptions: { state: string; delivery: { url: string }; backlog: { lagEvents: number } }[];
  };
  return subscriptions.map(({ state, delivery, backlog }) => {
    const [, , partner] = new URL(delivery.url).pathname.split('/');
    return { partner, state, lagEvents: backlog.lagEvents };
  });
}

async function ask(path: string, init: RequestInit = {}): Promise<object> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${POLYCAST_KEY}` };
  const response = await fetch(POLYCAST_URL + path, { ...init, headers });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as object;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
