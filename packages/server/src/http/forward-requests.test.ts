import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PolycastError } from '@polycast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { createForwarder } from './forward-requests.ts';

/** A process that ends in the middle of each request, and one that forwards to it. */
async function startPair(): Promise<{ readonly url: string; readonly owner: Server }> {
  const path = join(temporaryFolder(), 'requests');
  const owner = createServer((request) => request.socket.destroy());
  owner.listen(path);
  const forwarder = createForwarder(path, () => Promise.resolve());
  const front = createServer((request, response) => {
    Promise.resolve(forwarder.forward(request, response, {}, '')).catch(({ code }: PolycastError) =>
      response.end(code),
    );
  });
  front.listen(0, '127.0.0.1');
  await Promise.all([once(owner, 'listening'), once(front, 'listening')]);
  onTestFinished(() => {
    forwarder.close();
    for (const server of [owner, front]) server.close();
  });
  return { url: `http://127.0.0.1:${(front.address() as AddressInfo).port}/v1/subscriptions`, owner };
}

const codeOf = async (url: string, method: string): Promise<string> =>
  (await fetch(url, { method, ...(method === 'POST' && { body: '{}' }) })).text();

test('of a change whose process ended, nobody knows whether it was made; a read changes nothing', async () => {
  const { url, owner } = await startPair();
  expect(await codeOf(url, 'POST')).toBe('outcome_unknown');
  expect(await codeOf(url, 'DELETE')).toBe('outcome_unknown');
  expect(await codeOf(url, 'GET')).toBe('log_unavailable');
  owner.close();
  await once(owner, 'close');
  expect(await codeOf(url, 'POST')).toBe('log_unavailable');
});
