import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { firstKey } from '../identity/kit/keys.ts';
import { ISSUER, signToken } from '../identity/kit/tokens.ts';
import { Endpoint } from '../kit/clients/endpoint.ts';
import { Follower } from '../kit/clients/followers.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call, type Reply } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

const GUIDE = readFileSync(join(import.meta.dirname, '../../docs/guides/deployment.md'), 'utf8');
const SECTION = GUIDE.slice(GUIDE.indexOf('## Backups and restoring'));
const SECRET = 'a secret of at least thirty-two bytes';
const CONFIG = {
  access: 'rules',
  identity: { tokens: [{ issuer: ISSUER, audience: 'polycast', keys: [{ algorithm: 'HS256', secret: SECRET }] }] },
  // A present user must not count as gone before the hub is back.
  presence: { systemEvents: true, graceSeconds: 300 },
  rules: [{ pattern: 'room.>', subscribe: 'anyone', publish: 'server', presence: 'anyone' }],
};

test("a backup that is made and restored with the guide's commands contains all data of a hub", async () => {
  const data = temporaryFolder('backed-up');
  const copies = join(temporaryFolder('backups'), 'polycast');
  const endpoint = await Endpoint.open(() => 500);
  onTestFinished(() => endpoint.close());
  const outgoing = { allow: [new URL(endpoint.url).host] };
  const config = { ...CONFIG, outgoing, subscriptions: { trustedEndpoints: [endpoint.url] } };
  const hub = await startHubProcess({ data, config });
  const key = await firstKey(hub);
  const first = asking(hub.url, key);
  const delivery = { kind: 'webhook', url: `${endpoint.url}/hook`, retryDelaysSeconds: [] };
  const webhook = await first('POST', '/v1/subscriptions', { channels: ['room.1'], delivery });
  const queue = await first('POST', '/v1/subscriptions', { channels: ['room.2'], delivery: { kind: 'pull' } });
  expect([webhook.status, queue.status], webhook.text + queue.text).toEqual([201, 201]);
  const made = await first('POST', '/v1/keys', { name: 'shop', scopes: { publish: ['>'] } });
  const ada = signToken(SECRET, 'ada', { iat: Math.floor(Date.now() / 1000) - 60 });
  expect((await asking(hub.url, ada)('GET', '/v1/events?channel=room.1&presence=none')).status).toBe(200);
  expect((await first('POST', '/v1/revocations', { user: 'ada' })).status).toBe(201);
  const bob = signToken(SECRET, 'bob');
  const follower = new Follower(hub.url, 'sse', { channels: ['room.1'], after: 'now', token: bob });
  onTestFinished(() => follower.stop());
  await until('bob is there', async () => (await membersOf(first)).length === 1);
  const members = await membersOf(first);
  await until('that is stored', () => tablesOf(join(data, 'presence.sqlite'), 'member').length === 1);
  expect((await first('POST', '/v1/events', { channel: 'room.1', data: 'kept' })).status).toBe(201);
  const deadLetters = async (ask: Ask): Promise<unknown[]> =>
    (await ask('GET', `/v1/subscriptions/${idOf(webhook)}/dead-letters`)).json<{ deadLetters: unknown[] }>()
      .deadLetters;
  await until('there is a dead letter', async () => (await deadLetters(first)).length === 1);

  const script = join(temporaryFolder('backup-script'), 'backup.mjs');
  writeFileSync(script, inFolders(blockOf('js'), data, copies));
  run(process.execPath, [script]);
  expect(readdirSync(copies).toSorted()).toEqual([
    'identity.sqlite',
    'log.db',
    'presence.sqlite',
    'subscriptions.sqlite',
  ]);
  for (const name of readdirSync(copies)) expect((statSync(join(copies, name)).mode & 0o777).toString(8)).toBe('600');
  const present = ['member', 'mark'].map((table) => tablesOf(join(copies, 'presence.sqlite'), table));
  expect(present[0]).toMatchObject([{ channel: 'room.1', user: 'bob' }]);
  expect((await first('POST', '/v1/events', { channel: 'room.1', data: 'later' })).status).toBe(201);
  await follower.stop();
  await hub.end('SIGTERM');

  rmSync(data, { recursive: true });
  run('sh', ['-ec', inFolders(blockOf('sh'), data, copies)]);
  expect(['member', 'mark'].map((table) => tablesOf(join(data, 'presence.sqlite'), table))).toEqual(present);
  const again = await startHubProcess({ data, config });
  const ask = asking(again.url, key);
  const listed = (await ask('GET', '/v1/subscriptions')).json<{ subscriptions: { id: string }[] }>();
  expect(listed.subscriptions.map(({ id }) => id).toSorted()).toEqual([idOf(webhook), idOf(queue)].toSorted());
  expect(await deadLetters(ask)).toHaveLength(1);
  const shop = asking(again.url, made.json<{ key: string }>().key);
  expect((await shop('POST', '/v1/events', { channel: 'room.3', data: 1 })).status).toBe(201);
  expect((await ask('GET', '/v1/channels/room.1')).text).toBe('"kept"');
  const audit = (await ask('GET', '/v1/audit')).json<{ entries: { action: string; subject: string }[] }>();
  expect(audit.entries).toContainEqual(expect.objectContaining({ action: 'revocation.made', subject: 'ada' }));
  const refused = await asking(again.url, ada)('GET', '/v1/events?channel=room.1&presence=none');
  expect([refused.status, refused.json<{ code: string }>().code]).toEqual([401, 'unauthorized']);
  const back = new Follower(again.url, 'sse', { channels: ['room.1'], after: 'now', token: bob });
  onTestFinished(() => back.stop());
  await until('bob is there again', async () => (await membersOf(ask)).length === 1);
  // The time of joining is from the backup, so for observers the user never left.
  expect(await membersOf(ask)).toEqual(members);
  await back.stop();
  for (const name of readdirSync(data)) expect((statSync(join(data, name)).mode & 0o777).toString(8), name).toBe('600');
  await again.end('SIGTERM');

  // A second restore, over existing data: the backup contains less than the hub has written in this
  // folder.
  run('sh', ['-ec', inFolders(blockOf('sh'), data, copies)]);
  const third = await startHubProcess({ data, config });
  const problems = ['identity_incomplete', 'subscriptions_incomplete'];
  expect((await call(`${third.url}/healthz`)).json()).toEqual({ status: 'ok', problems });
  for (const problem of problems) expect(SECTION).toContain(`\`${problem}\``);
  await third.end('SIGTERM');
  const fourth = await startHubProcess({ data, config });
  expect((await call(`${fourth.url}/healthz`)).json()).toEqual({ status: 'ok' });
  await fourth.end('SIGTERM');
});

type Ask = (method: string, path: string, body?: object) => Promise<Reply>;

function asking(hub: string, key: string): Ask {
  return (method, path, body) =>
    call(hub + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
}

async function membersOf(ask: Ask): Promise<unknown[]> {
  return (await ask('GET', '/v1/channels/room.1/presence')).json<{ members: unknown[] }>().members;
}

function idOf(reply: Reply): string {
  return reply.json<{ id: string }>().id;
}

/** The first block of a language in the guide's section on backups. */
function blockOf(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(SECTION)?.[1] as string;
}

function inFolders(text: string, data: string, copies: string): string {
  return text.replaceAll('/var/lib/polycast', data).replaceAll('/var/backups/polycast', copies);
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
}

function tablesOf(file: string, table: string): readonly object[] {
  using database = new DatabaseSync(file, { readOnly: true });
  return database.prepare(`SELECT * FROM ${table}`).all();
}
