import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Flags, type FlagStorage } from '../client/flags.ts';
import { syncByBlockingQuery, syncByPoll } from '../client/sync.ts';

/** A server that uses flags: once by a blocking query, once by polls. It works without the hub. */
const { PORT, POLYCAST_URL = '', DATA_FOLDER = '.' } = process.env;
const POLL_MS = 2000;
const blocking = new Flags(fileStorage('blocking.json'));
const polling = new Flags(fileStorage('polling.json'));

for (const name of ['gift-wrap', 'one-page-checkout']) syncByBlockingQuery(POLYCAST_URL, blocking, name);
syncByPoll(POLYCAST_URL, polling, POLL_MS);

/** How long the last change took. Flags that are older than this process are no change. */
const startedMs = Date.now();
const delaysMs: { blocking?: number; polling?: number } = {};
blocking.onChange = ({ changedMs }) => {
  if (changedMs > startedMs) delaysMs.blocking = Date.now() - changedMs;
};
polling.onChange = ({ changedMs }) => {
  if (changedMs > startedMs) delaysMs.polling = Date.now() - changedMs;
};

createServer((request, response) => {
  const user = new URL(request.url ?? '', 'http://shop').searchParams.get('user') ?? '';
  const giftWrap = blocking.isOn('gift-wrap', user);
  const body = { giftWrap, blocking: blocking.all, polling: polling.all, delaysMs };
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}).listen(Number(PORT), '127.0.0.1');

/** A whole file at any time: a killed process leaves the one before. */
function fileStorage(name: string): FlagStorage {
  const path = join(DATA_FOLDER, name);
  return {
    load: () => (existsSync(path) ? readFileSync(path, 'utf8') : null),
    save(text) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
  };
}
