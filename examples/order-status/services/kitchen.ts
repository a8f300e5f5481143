import { createServer } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { createPublisher } from '@polycast/client/server';

/**
 * The kitchen takes orders and says what happens to them. Its database knows how far each one is.
 */
const { PORT, POLYCAST_URL = '', POLYCAST_KEY = '', COURIER_URL, DATA_FOLDER = '.', EXAMPLE_SECRET } = process.env;
const STATES = ['accepted', 'rolled out', 'topped', 'in the oven', 'baked', 'boxed', 'on its way'];
const STEP_MS = 600;

const database = new DatabaseSync(join(DATA_FOLDER, 'kitchen.sqlite'));
database.exec('CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT');
const add = database.prepare('INSERT INTO orders VALUES (?, 0)');
const finish = database.prepare('UPDATE orders SET step = step + 1 WHERE id = ?');
const unfinished = database.prepare('SELECT id, step FROM orders WHERE step < ?');
/** Nobody waits for these calls, so the hub may be away for long. */
const hub = createPublisher(POLYCAST_URL, { key: POLYCAST_KEY, timeoutMs: 86_400_000 });

await subscribeCourier();
for (const { id, step } of unfinished.all(STATES.length)) void work(String(id), Number(step));

createServer((request, response) => {
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const id = crypto.randomUUID().slice(0, 8);
  add.run(id);
  void work(id, 0);
  response.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id, states: STATES }));
}).listen(Number(PORT), '127.0.0.1');

async function work(id: string, from: number): Promise<void> {
  for (const [step, state] of [...STATES.entries()].slice(from)) {
    // After a crash between the two, the same key publishes nothing a second time.
    await hub.publish(`orders.${id}`, { order: id, state }, { type: 'order.changed', idempotencyKey: `${id}-${step}` });
    finish.run(id);
    await pause(STEP_MS);
  }
}

/**
 * The courier company gets a webhook for every step of every order: one subscription,
 * however often this starts.
 */
async function subscribeCourier(): Promise<void> {
  const delivery = { kind: 'webhook', url: `${COURIER_URL}/hook`, secret: `whsec_${EXAMPLE_SECRET}` };
  const answer = await fetch(`${POLYCAST_URL}/v1/subscriptions/courier`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${POLYCAST_KEY}` },
    body: JSON.stringify({ channels: ['orders.*'], delivery }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}
