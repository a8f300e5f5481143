import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { createReceiver } from '@polycast/client/webhooks';

/** Another company's system. It receives signed webhooks, and knows nothing else of the kitchen. */
const { PORT, DATA_FOLDER = '.', EXAMPLE_SECRET } = process.env;
const database = new DatabaseSync(`${DATA_FOLDER}/courier.sqlite`);
// What is in the write-ahead log survives a kill, and costs no sync of the disk for each webhook.
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
database.exec('CREATE TABLE IF NOT EXISTS arrivals (id TEXT UNIQUE, orderId TEXT, state TEXT, delayMs INTEGER) STRICT');
// A webhook may come twice; it is stored once.
const insert = database.prepare('INSERT OR IGNORE INTO arrivals VALUES (?, ?, ?, ?)');
const list = database.prepare('SELECT state, delayMs FROM arrivals WHERE orderId = ? ORDER BY rowid');

const receiver = createReceiver({ secrets: `whsec_${EXAMPLE_SECRET}` }, ({ id, data, time }) => {
  const { order, state } = data as { order: string; state: string };
  insert.run(id, order, state, Date.now() - Date.parse(time));
});

createServer((request, response) => {
  if (request.url === '/hook') return void receiver.node(request, response);
  response.end(JSON.stringify(list.all(request.url?.split('/').at(-1) ?? '')));
}).listen(Number(PORT), '127.0.0.1');
