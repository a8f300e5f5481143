import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { Server, type Socket } from 'socket.io';

/**
 * The same chat with Socket.IO, built as its tutorial builds one: connection state recovery, an
 * offset that the client remembers, keys against doubles, acknowledgements.
 */
const { PORT, DATABASE, EXAMPLE_SECRET } = process.env as Record<string, string>;
const MODERATORS = new Set(['mod']);
const PAGE = 30;

const database = new DatabaseSync(DATABASE as string);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT, sender TEXT, recipient TEXT,
    text TEXT NOT NULL, time TEXT NOT NULL, key TEXT UNIQUE);
  CREATE INDEX IF NOT EXISTS by_room ON messages (room, id);
  CREATE TABLE IF NOT EXISTS read_marks (room TEXT, user TEXT, message TEXT, PRIMARY KEY (room, user));
  CREATE TABLE IF NOT EXISTS bans (user TEXT PRIMARY KEY)`);
const insert = database.prepare(
  'INSERT OR IGNORE INTO messages (room, sender, recipient, text, time, key) VALUES (?, ?, ?, ?, ?, ?)',
);
const byKey = database.prepare('SELECT * FROM messages WHERE key = ?');

const server = createServer();
const io = new Server(server, { connectionStateRecovery: {} });

io.use((socket, next) => {
  const user = userOf(socket.handshake.auth['token']);
  const isBanned = database.prepare('SELECT 1 FROM bans WHERE user = ?').get(user ?? '') !== undefined;
  if (user === undefined || isBanned) return next(new Error('unauthorized'));
  socket.data.user = user;
  next();
});

io.on('connection', (socket) => {
  const { room, after, afterPrivate } = socket.handshake.auth as Record<string, string>;
  const user = socket.data.user as string;
  void socket.join([`room.${room}`, `user.${user}`]);
  if (!socket.recovered) catchUp(socket, room as string, user, Number(after ?? 0), Number(afterPrivate ?? 0));
  announceMembers(room as string);

  socket.on('message', ({ text, key, to }: Record<string, string>, acknowledge: (answer: object) => void) => {
    if (typeof text !== 'string' || text.length > 4096) return acknowledge({ error: 'event_too_large' });
    const { changes } = insert.run(
      to === undefined ? (room as string) : null,
      user,
      to ?? null,
      text,
      new Date().toISOString(),
      key as string,
    );
    const stored = byKey.get(key as string);
    if (changes === 1 && to === undefined) io.to(`room.${room}`).emit('message', stored);
    if (changes === 1 && to !== undefined) io.to([`user.${to}`, `user.${user}`]).emit('private', stored);
    acknowledge({ id: stored?.['id'] as number });
  });
  socket.on('typing', () => socket.to(`room.${room}`).emit('typing', user));
  socket.on('read', (message: string) => {
    database.prepare('INSERT OR REPLACE INTO read_marks VALUES (?, ?, ?)').run(room as string, user, message);
    io.to(`room.${room}`).emit('read', user, message);
  });
  socket.on('older', (before: number, answer: (rows: unknown[]) => void) =>
    answer(
      database
        .prepare('SELECT * FROM messages WHERE room = ? AND id < ? ORDER BY id DESC LIMIT ?')
        .all(room as string, before, PAGE)
        .toReversed(),
    ),
  );
  socket.on('erase', (id: number) => {
    if (!MODERATORS.has(user)) return;
    database.prepare('DELETE FROM messages WHERE id = ?').run(id);
    io.to(`room.${room}`).emit('erased', id);
  });
  socket.on('ban', (name: string) => {
    if (!MODERATORS.has(user)) return;
    database.prepare('INSERT OR IGNORE INTO bans VALUES (?)').run(name);
    io.in(`user.${name}`).disconnectSockets(true);
  });
  socket.on('disconnect', () => announceMembers(room as string));
});

server.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));

/** The user of a valid token (JWT, HS256). */
function userOf(token: unknown): string | undefined {
  const [head = '', claims = '', signature] = String(token).split('.');
  if (
    createHmac('sha256', EXAMPLE_SECRET as string)
      .update(`${head}.${claims}`)
      .digest('base64url') !== signature
  )
    return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return exp * 1000 > Date.now() ? sub : undefined;
}

/** What a client has missed; for a new client, the newest page. */
function catchUp(socket: Socket, room: string, user: string, after: number, afterPrivate: number): void {
  const rows =
    after > 0
      ? database.prepare('SELECT * FROM messages WHERE room = ? AND id > ? ORDER BY id').all(room, after)
      : database.prepare('SELECT * FROM messages WHERE room = ? ORDER BY id DESC LIMIT ?').all(room, PAGE).toReversed();
  const secrets = database
    .prepare(
      'SELECT * FROM messages WHERE ? IN (sender, recipient) AND recipient IS NOT NULL AND id > ? ORDER BY id DESC LIMIT ?',
    )
    .all(user, afterPrivate, PAGE)
    .toReversed();
  for (const row of rows) socket.emit('message', row);
  for (const row of secrets) socket.emit('private', row);
  for (const row of database.prepare('SELECT * FROM read_marks WHERE room = ?').all(room))
    socket.emit('read', row['user'], row['message']);
}

function announceMembers(room: string): void {
  const sockets = [...(io.sockets.adapter.rooms.get(`room.${room}`) ?? [])].map((id) => io.sockets.sockets.get(id));
  io.to(`room.${room}`).emit('members', [...new Set(sockets.map((socket) => socket?.data.user as string))]);
}
