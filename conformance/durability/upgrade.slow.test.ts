import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { polycast } from '../kit/command.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { call } from '../kit/http.ts';
import { startHubProcess, type HubProcess } from '../kit/hub-process.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/data-folders');
const names = readdirSync(FIXTURES).flatMap((name) => (name.endsWith('.tar.gz') ? [name.slice(0, -7)] : []));
const CONFIG = {
  access: 'rules',
  presence: { systemEvents: true },
  rules: [
    { pattern: 'news.>', subscribe: 'anyone', presence: 'anyone' },
    { pattern: 'rate.>', retain: 'latest' },
  ],
  // The endpoints of the fixtures no longer exist.
  subscriptions: { suspendAfterSeconds: 86_400 },
};

interface Facts {
  readonly key: string;
  readonly cursor: string;
  readonly newest: string;
  readonly once: string;
  readonly good: string;
  readonly bad: string;
  readonly queue: string;
}

function factsOf(name: string): Facts {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as Facts;
}

/**
 * The folder as the earlier hub left it. Its log knows its own inode, which a copy does not have.
 */
function folderOf(name: string): string {
  const folder = temporaryFolder(name);
  execFileSync('tar', ['-C', folder, '-xzf', join(FIXTURES, `${name}.tar.gz`)]);
  using log = new DatabaseSync(join(folder, 'log.db'));
  log.prepare('UPDATE state SET inode = ?').run(String(statSync(join(folder, 'log.db'), { bigint: true }).ino));
  return folder;
}

test('there are data folders of earlier versions', () => {
  expect(names).toContain('bb15fe7');
  expect(names.length).toBeGreaterThan(1);
});

describe.each(names)('the data folder %s', (name) => {
  const facts = factsOf(name);

  test('is upgraded by a start, and everything in it continues', async () => {
    const data = folderOf(name);
    const hub = await startHubProcess({ data, config: CONFIG });
    const ask = asking(hub, facts.key);
    expect((await call(`${hub.url}/healthz`)).json()).toEqual({ status: 'ok' });
    const page = (await call(`${hub.url}/v1/events?channel=news.>&after=${facts.cursor}`)).json<Page>();
    expect(page.gaps).toEqual([]);
    expect(page.events.slice(0, 30).map(({ data: value }) => value)).toEqual(
      Array.from({ length: 30 }, (_, index) => ({ n: index + 10 })),
    );
    expect(page.events[29]?.id).toBe(facts.newest);
    expect((await ask('GET', '/v1/channels/rate.eur')).text).toBe('2');
    const deadLetters = (await ask('GET', `/v1/subscriptions/${facts.bad}/dead-letters`)).json<{
      deadLetters: { event: string }[];
    }>();
    expect(deadLetters.deadLetters).toHaveLength(10);
    const { events } = (await ask('POST', `/v1/subscriptions/${facts.queue}/pull`, { waitSeconds: 20 })).json<{
      events: { event: { data: unknown } }[];
    }>();
    // The lease of the earlier hub has expired, so another worker gets its event.
    expect(events[0]?.event.data).toEqual({ n: 2 });
    expect((await ask('GET', `/v1/subscriptions/${facts.good}`)).json()).toMatchObject({ state: 'active' });
    expect((await ask('GET', '/v1/keys')).json<{ keys: { name: string }[] }>().keys).toHaveLength(2);
    expect((await ask('GET', '/v1/audit')).text).toContain('"mallory"');
    expect((await ask('POST', '/v1/events', { channel: 'news.1', data: 'after the upgrade' })).status).toBe(201);
    await hub.end('SIGTERM');
    const again = await startHubProcess({ data, config: CONFIG });
    expect((await call(`${again.url}/v1/channels/news.1`)).text).toBe('"after the upgrade"');
    await again.end('SIGTERM');
  });

  test('can be backed up as it is, and restored by this version', async () => {
    const file = join(temporaryFolder('backups'), 'backup');
    const data = join(temporaryFolder('restored'), 'data');
    expect((await polycast(['backup', file, '--data', folderOf(name)])).code).toBe(0);
    expect(await polycast(['restore', file, '--data', data])).toMatchObject({ code: 0, err: '' });
    const hub = await startHubProcess({ data, config: CONFIG });
    const ask = asking(hub, facts.key);
    expect((await call(`${hub.url}/v1/channels/rate.eur`, { headers: bearer(facts.key) })).text).toBe('2');
    const { deadLetters } = (await ask('GET', `/v1/subscriptions/${facts.bad}/dead-letters`)).json<{
      deadLetters: unknown[];
    }>();
    expect(deadLetters).toHaveLength(10);
    await hub.end('SIGTERM');
  });
});

test.each(['log.db', 'subscriptions.sqlite', 'identity.sqlite', 'presence.sqlite', 'sessions/journal.json'])(
  'a folder whose %s a newer version has written is refused, and stays as it is',
  async (store) => {
    const data = folderOf('fc07d09');
    const upgraded = await startHubProcess({ data, config: CONFIG });
    await upgraded.end('SIGTERM');
    const file = join(data, store);
    const schema = bumpSchema(file);
    const before = readFileSync(file);
    const { code, err } = await polycast(['serve', '--data', data, '--listen', '127.0.0.1:0', '--set', PRESENCE]);
    expect(code).toBe(1);
    expect(err).toContain(`${file} was written by a newer version of Polycast (schema ${schema};`);
    expect(err).toContain('restore a backup');
    expect(readFileSync(file)).toEqual(before);
  },
);

const PRESENCE = 'presence.systemEvents=true';

function bumpSchema(file: string): number {
  if (file.endsWith('.json')) {
    const state = JSON.parse(readFileSync(file, 'utf8')) as { readonly format: number };
    writeFileSync(file, JSON.stringify({ ...state, format: state.format + 1 }));
    return state.format + 1;
  }
  using database = new DatabaseSync(file);
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  database.exec(`PRAGMA user_version = ${version + 1}`);
  return version + 1;
}

interface Page {
  readonly events: readonly { readonly id: string; readonly data: unknown }[];
  readonly gaps: readonly unknown[];
}

function bearer(key: string): Readonly<Record<string, string>> {
  return { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
}

function asking({ url }: HubProcess, key: string) {
  return (method: string, path: string, body?: object) =>
    call(url + path, { method, headers: bearer(key), ...(body !== undefined && { body: JSON.stringify(body) }) });
}
