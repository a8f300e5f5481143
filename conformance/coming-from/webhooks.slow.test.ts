import { once } from 'node:events';
import { createServer } from 'node:http';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import type { Installed } from '../kit/registries.ts';
import { unusedPort } from '../../scripts/unused-port.ts';
import { pause, until } from '../kit/wait.ts';
import { CHANGES, installExamples, startProgram, type Program } from './programs.ts';

const ACCEPTED = ['accepted order.placed', 'accepted order.baked', 'accepted order.sent'];
/** The sender retries half a second after the first failure, and a second after the next. */
const SEVERAL_RETRIES_MS = 3000;
/** The second default delay is minutes, and the first hub may live until the second failure. */
const RETRIES = { subscriptions: { retryDelaysSeconds: Array.from({ length: 30 }, () => 5) } };

describe('a webhook sender of your own', () => {
  test('before: delivers by its retries when the endpoint works again', async () => {
    const { port, url, close } = await startFailingEndpoint();
    const sender = startProgram('webhook-sender/before.mjs', { ENDPOINT: url });
    await until('all events are accepted', () => sender.lines().length === ACCEPTED.length);
    await close();

    const { receiver } = await startReceiver('webhook-sender', port);
    expect(await sender.ended, sender.errorOutput()).toBe(0);
    await until('the receiver has all', () => receiver.lines().length > CHANGES.length);
    // The retries are independent of each other, so the order may be another one.
    expect(receiver.lines().slice(1).toSorted()).toEqual(CHANGES.toSorted());
  });

  test('before: loses the accepted events when it crashes meanwhile', async () => {
    const { port, url, close } = await startFailingEndpoint();
    const sender = startProgram('webhook-sender/before.mjs', { ENDPOINT: url });
    await until('all events are accepted', () => sender.lines().length === ACCEPTED.length);
    sender.child.kill('SIGKILL');
    await sender.ended;
    await close();

    const { receiver } = await startReceiver('webhook-sender', port);
    await pause(SEVERAL_RETRIES_MS);
    expect(sender.lines()).toEqual(ACCEPTED);
    expect(receiver.lines()).toEqual(['receiving']);
  });

  test('after: delivers them in order although the hub crashes meanwhile', async () => {
    const { port, url, close } = await startFailingEndpoint();
    const data = temporaryFolder('webhook-sender');
    const first = await startHubProcess({ data, config: RETRIES });
    const sender = startProgram('webhook-sender/after.mjs', { POLYCAST_URL: first.url, ENDPOINT: url });
    expect(await sender.ended, sender.errorOutput()).toBe(0);
    expect(sender.lines()).toEqual(ACCEPTED);
    await first.end('SIGKILL');
    await close();

    const { receiver } = await startReceiver('webhook-sender', port);
    await startHubProcess({ data, config: RETRIES });
    await until('the receiver has all', () => receiver.lines().length > CHANGES.length);
    expect(receiver.lines().slice(1)).toEqual(CHANGES);
  });
});

describe('Svix', () => {
  let installed: Installed;

  beforeAll(async () => {
    installed = await installExamples();
  });

  test('its library verifies the webhooks of the hub', async ({ skip }) => {
    if ('missing' in installed) return skip(installed.missing);
    const { receiver, endpoint } = await startReceiver('svix', await unusedPort(), installed.folder);
    const hub = await startHubProcess();
    const sender = startProgram('svix/after.mjs', { POLYCAST_URL: hub.url, ENDPOINT: endpoint });
    expect(await sender.ended, sender.errorOutput()).toBe(0);
    await until('the receiver has all', () => receiver.lines().length > CHANGES.length);
    expect(receiver.lines().slice(1)).toEqual(CHANGES);
  });
});

async function startReceiver(
  product: string,
  port?: number,
  installed?: string,
): Promise<{ readonly receiver: Program; readonly endpoint: string }> {
  const used = port ?? (await unusedPort());
  const receiver = startProgram(`${product}/receiver.mjs`, { PORT: String(used) }, installed);
  onTestFinished(() => void receiver.child.kill('SIGKILL'));
  await until('the receiver listens', () => receiver.lines().includes('receiving'));
  return { receiver, endpoint: `http://127.0.0.1:${used}/hook` };
}

/**
 * An endpoint that answers 503, as during a deployment. No other test takes its port when it is
 * closed.
 */
async function startFailingEndpoint(): Promise<{
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}> {
  const port = await unusedPort();
  const server = createServer((_request, response) => response.writeHead(503).end()).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    url: `http://127.0.0.1:${port}/hook`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
