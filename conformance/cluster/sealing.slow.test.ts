import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER, startBrokers, type Broker } from '../kit/brokers.ts';
import { post } from '../kit/clients/delivery-checks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { publish } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

/** Hubs, each a process, on a real broker whose files are searched for secrets. */
async function startHub(cluster: object): Promise<HubProcess> {
  const hub = await startHubProcess({ data: temporaryFolder('hub'), config: { cluster } });
  onTestFinished(async () => void (await hub.end('SIGKILL')));
  return hub;
}

/** Whether a file of the broker has a text. */
function stores({ data }: Broker, text: string): boolean {
  return readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(text));
}

/** Creates a webhook, and returns its secret. */
async function createWebhook({ url }: HubProcess, to: string): Promise<string> {
  const reply = await post(`${url}/v1/subscriptions`, {
    channels: ['orders.>'],
    delivery: { kind: 'webhook', url: to },
  });
  expect(reply.status, reply.text).toBe(201);
  return reply.json<{ delivery: { secret: string } }>().delivery.secret;
}

/** An endpoint that keeps whether each signature is that of a secret. */
async function verifyingEndpoint(secret: () => string): Promise<{ readonly url: string; readonly results: boolean[] }> {
  const results: boolean[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = request.headers;
      const signed = `${String(id)}.${String(time)}.${Buffer.concat(pieces).toString()}`;
      const key = Buffer.from(secret().slice('whsec_'.length), 'base64');
      results.push(String(signature).includes(createHmac('sha256', key).update(signed).digest('base64')));
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, results };
}

/** A part of a secret that says nothing about its form. */
function middleOf(secret: string): string {
  return secret.slice(10, 26);
}

describe.skipIf(NATS_SERVER === undefined)('secrets at the brokers', () => {
  test(
    'are sealed in the journal and in snapshots, and each hub with the key reads them',
    { timeout: 120_000 },
    async () => {
      const brokers = await startBrokers({ count: 1 });
      onTestFinished(() => brokers.end());
      const [broker] = brokers.brokers as [Broker];
      const plain = { ...brokers.settings, snapshotBytes: 1024 * 1024 };

      let secret = '';
      const endpoint = await verifyingEndpoint(() => secret);

      const unsealed = await startHub({ ...plain, name: 'unsealed' });
      expect(stores(broker, middleOf(await createWebhook(unsealed, endpoint.url)))).toBe(true);

      const sealKeyFile = join(temporaryFolder('seal'), 'seal.key');
      writeFileSync(sealKeyFile, `${randomBytes(32).toString('hex')}\n`);
      const sealed = { ...plain, name: 'sealed', sealKeyFile };
      const hub = await startHub(sealed);
      secret = await createWebhook(hub, endpoint.url);
      await until('a snapshot was taken', async () => {
        await publish(hub.url, { channel: 'news', data: 'readable '.repeat(8000) });
        return hub.log().includes('"cluster: took a snapshot"');
      });
      expect(stores(broker, 'readable readable')).toBe(true);
      expect(stores(broker, middleOf(secret))).toBe(false);

      const other = await startHub(sealed);
      await hub.end('SIGTERM');
      await publish(other.url, { channel: 'orders.1', data: 'signed' });
      await until('the other hub has sent the webhook', () => endpoint.results.length > 0);
      expect(endpoint.results[0]).toBe(true);
      await expect(startHub({ ...plain, name: 'sealed' })).rejects.toThrow('cluster.sealKeyFile');
    },
  );
});
