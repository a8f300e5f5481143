import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'svix';

const webhook = new Webhook('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

// The customer's server, with the library of Svix. It takes the headers of both senders.
const server = createServer(async (request, response) => {
  try {
    const body = await text(request);
    webhook.verify(body, request.headers); // throws if the signature is wrong
    const { type, data } = JSON.parse(body);
    console.log(type, data);
    response.writeHead(204).end();
  } catch {
    response.writeHead(401).end();
  }
});
server.listen(Number(process.env.PORT ?? 3918), '127.0.0.1', () => console.log('receiving'));
