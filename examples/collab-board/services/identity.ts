// Who somebody is. Here a name is enough; a real site asks for a password first.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { signToken } from '@polycast/client/server';

const { PORT, EXAMPLE_SECRET: secret = '' } = process.env;
const COLORS = ['#d6336c', '#1971c2', '#2b8a3e', '#e8590c', '#7048e8', '#0b7285', '#a61e4d', '#5c940d'];

createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  if (request.method !== 'POST' || request.url !== '/api/token') return response.writeHead(404).end();
  const name = (await text(request)).trim().slice(0, 40);
  if (!/^[\p{L}\p{N} ._-]+$/u.test(name)) return response.writeHead(400).end('Please give a name.');
  const color = COLORS[[...name].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % COLORS.length];
  const token = signToken({ user: name, info: { color } }, { secret, issuer: 'board' });
  return response.writeHead(200, { 'Content-Type': 'text/plain' }).end(token);
}
