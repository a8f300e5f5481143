import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connect } from '@polycast/client';
import { signToken } from '@polycast/client/server';

/**
 * The site of the chat: who you are, and what moderators may do. Messages never pass through it:
 * the page sends them to the hub.
 */
const { PORT, POLYCAST_URL, POLYCAST_KEY, DATA_FOLDER, EXAMPLE_SECRET } = process.env as Record<string, string>;
const TOKEN_SECONDS = 300;
const MODERATORS = new Set(['mod']);

const hub = connect(POLYCAST_URL as string, { token: POLYCAST_KEY as string });
const database = new DatabaseSync(join(DATA_FOLDER as string, 'chat.db'));
database.exec(`
  CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, banned INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS logins (session TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users)`);

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly cookie?: string;
}

const NOT_FOUND: Answer = { status: 404, body: 'Not found.' };
const ROUTES: Readonly<
  Record<string, (user: string | undefined, body: Record<string, string>) => Answer | Promise<Answer>>
> = {
  'POST /api/login': (_user, { name = '' }) => {
    if (!/^[a-z][a-z0-9_]{0,19}$/.test(name))
      return { status: 400, body: 'A name is up to 20 small letters and digits.' };
    database.prepare('INSERT OR IGNORE INTO users (name) VALUES (?)').run(name);
    const session = randomBytes(16).toString('base64url');
    database.prepare('INSERT INTO logins VALUES (?, ?)').run(session, name);
    return { status: 200, body: { name }, cookie: `session=${session}; Path=/; HttpOnly; SameSite=Lax` };
  },
  'GET /api/me': (user) => ({ status: 200, body: { name: user, isModerator: MODERATORS.has(user ?? '') } }),
  'POST /api/token': (user) =>
    user === undefined || isBanned(user)
      ? { status: 403, body: 'Not allowed.' }
      : {
          status: 200,
          body: { token: signToken({ user }, { secret: EXAMPLE_SECRET as string, expiresInSeconds: TOKEN_SECONDS }) },
        },
  'POST /api/ban': async (user, { name = '' }) => {
    if (!MODERATORS.has(user ?? '')) return { status: 403, body: 'Moderators only.' };
    database.prepare('UPDATE users SET banned = 1 WHERE name = ?').run(name);
    await hub.fetch(`users/${encodeURIComponent(name)}/disconnect`, { method: 'POST' });
    return { status: 200, body: {} };
  },
  'POST /api/erase': async (user, { room = '', id = '' }) => {
    if (!MODERATORS.has(user ?? '')) return { status: 403, body: 'Moderators only.' };
    await hub.fetch(`events/${encodeURIComponent(id)}`, { method: 'DELETE' });
    // For the pages that show it now.
    await hub.publish(`room.${room}`, { text: id }, { type: 'erased' });
    return { status: 200, body: {} };
  },
};

createServer(async (request, response) => {
  try {
    const handle = ROUTES[`${request.method} ${request.url}`] ?? (() => NOT_FOUND);
    const body = (await request.toArray()).join('');
    const { status, body: answer, cookie } = await handle(userOf(request), JSON.parse(body || '{}'));
    response.writeHead(status, { 'Content-Type': 'application/json', ...(cookie && { 'Set-Cookie': cookie }) });
    response.end(JSON.stringify(answer));
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
}).listen(Number(PORT), '127.0.0.1');

function userOf({ headers: { cookie = '' } }: IncomingMessage): string | undefined {
  const session = /(?:^|; )session=([\w-]+)/.exec(cookie)?.[1] ?? '';
  return database.prepare('SELECT name FROM logins WHERE session = ?').get(session)?.['name'] as string | undefined;
}

function isBanned(user: string): boolean {
  return database.prepare('SELECT 1 FROM users WHERE name = ? AND banned').get(user) !== undefined;
}
