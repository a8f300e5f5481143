import { Agent, request } from 'node:http';

/** Customers of the shop: a steady number of requests to the storefront. */
const { STOREFRONT_URL, REQUESTS_PER_SECOND = '200' } = process.env;
const TICK_MS = 20;
const agent = new Agent({ keepAlive: true, maxSockets: 128 });

setInterval(() => {
  for (let number = 0; number < (Number(REQUESTS_PER_SECOND) * TICK_MS) / 1000; number++)
    request(STOREFRONT_URL as string, { agent }, (answer) => answer.resume())
      .on('error', () => {})
      .end();
}, TICK_MS);
