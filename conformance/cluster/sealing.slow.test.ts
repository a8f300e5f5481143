import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NATS_SERVER, startBrokers, type Broker } from '../kit/brokers.ts';
import { post } from '../kit/clients/delivery-checks.ts';
import { receiveHooks, type ReceivedHook } from '../kit/clients/hook-receiver.ts';
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
    .some(({ parentPath, name }) => contentOf(join(parentPath, name)).includes(text));
}

/** The broker may have removed the file by now. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
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

/** Whether a request has the signature of a secret. */
function isSignedWith(secret: string, { headers, body }: ReceivedHook): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body.toString()}`;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(signed).digest('base64');
  return String(headers['webhook-signature']).includes(signature);
}

/** A part of a secret that says nothing about its form. */
function middleOf(secret: string): string {
  return secret.slice(10, 26);
}

describe.skipIf(NATS_SERVER === undefined)('secrets at the brokers', () => {
  test('are sealed in the journal and in snapshots, and each hub with the key reads them', async () => {
    const brokers = await startBrokers({ count: 1 });
    onTestFinished(() => brokers.end());
    const [broker] = brokers.brokers as [Broker];
    const plain = { ...brokers.settings, snapshotBytes: 1024 * 1024 };
    const endpoint = await receiveHooks();

    const unsealed = await startHub({ ...plain, name: 'unsealed' });
    expect(stores(broker, middleOf(await createWebhook(unsealed, endpoint.url)))).toBe(true);

    const sealKeyFile = join(temporaryFolder('seal'), 'seal.key');
    writeFileSync(sealKeyFile, `${randomBytes(32).toString('hex')}\n`);
    const sealed = { ...plain, name: 'sealed', sealKeyFile };
    const hub = await startHub(sealed);
    const secret = await createWebhook(hub, endpoint.url);
    await until('a snapshot was taken', async () => {
      await publish(hub.url, { channel: 'news', data: 'readable '.repeat(8000) });
      return hub.log().includes('"cluster: took a snapshot"');
    });
    expect(stores(broker, 'readable readable')).toBe(true);
    expect(stores(broker, middleOf(secret))).toBe(false);

    const other = await startHub(sealed);
    await hub.end('SIGTERM');
    await publish(other.url, { channel: 'orders.1', data: 'signed' });
    await until('the other hub has sent the webhook', () => endpoint.received.length > 0);
    expect(endpoint.received.every((request) => isSignedWith(secret, request))).toBe(true);
    await expect(startHub({ ...plain, name: 'sealed' })).rejects.toThrow('cluster.sealKeyFile');
  });
});
