// Gives each device its token, and the operators' page a token and a way to send commands.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { createPublisher, signToken } from '@polycast/client/server';

const { PORT, POLYCAST_URL = '', POLYCAST_KEY: key = '', EXAMPLE_SECRET: secret = '', TOKEN_SECONDS } = process.env;
const publisher = createPublisher(POLYCAST_URL, { key });
const signer = { secret, issuer: 'registry' };
const expiresInSeconds = Number(TOKEN_SECONDS ?? 3600);

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => response.writeHead(502).end(String(error)));
}).listen(Number(PORT), '127.0.0.1');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const [, , action, device = ''] = (request.url ?? '').split('/');
  if (action === 'operator') return response.end(operatorToken());
  // A real registry asks for the secret that the factory has put into the device.
  if (!/^d\d{1,4}$/.test(device)) return response.writeHead(404).end();
  if (action === 'token') return response.end(signToken({ user: device }, { ...signer, expiresInSeconds }));
  if (action !== 'commands' || request.method !== 'POST') return response.writeHead(404).end();
  const command: unknown = JSON.parse(await text(request));
  const { id } = await publisher.publish(`devices.${device}.commands`, command, { type: 'command' });
  return response.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id }));
}

function operatorToken(): string {
  return signToken({ user: 'operator', subscribe: ['devices.*.readings', 'devices.*.acks'] }, signer);
}
