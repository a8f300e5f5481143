import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { call, publish } from '../kit/http.ts';
import { startHubProcess } from '../kit/hub-process.ts';
import { until } from '../kit/wait.ts';

const CONFIG = {
  access: 'loopback',
  presence: { systemEvents: true },
  rules: [{ pattern: 'room.>', presence: 'anyone' }],
};

test('only the user of the hub can read its files, in an existing folder', async () => {
  const data = join(temporaryFolder('private'), 'data');
  mkdirSync(data);
  chmodSync(data, 0o755);
  for (const round of ['made here', 'found wider']) {
    const hub = await startHubProcess({ data, config: CONFIG });
    await publish(hub.url, { channel: 'room.1', data: 'private' });
    const subscription = JSON.stringify({ channels: ['room.>'], delivery: { kind: 'pull' } });
    const headers = { 'Content-Type': 'application/json' };
    await call(`${hub.url}/v1/subscriptions`, { method: 'POST', headers, body: subscription });
    await call(`${hub.url}/v1/revocations`, { method: 'POST', headers, body: '{"user":"ada"}' });
    const isThere = (name: string): boolean => readdirSync(data).includes(name);
    await until('all parts have written', () =>
      ['log.db-wal', 'identity.sqlite-wal', 'subscriptions.sqlite-wal', 'presence.sqlite'].every(isThere),
    );
    expect(modesOf(data), round).toEqual(new Map(namesIn(data).map((name) => [name, isFolder(name) ? '700' : '600'])));
    await until('the log says so', () => hub.log().includes('removed the access of other users'));
    await hub.end('SIGKILL');
    for (const name of namesIn(data)) chmodSync(join(data, name), isFolder(name) ? 0o755 : 0o644);
  }
});

function modesOf(folder: string): Map<string, string> {
  const modeOf = (name: string): string => (statSync(join(folder, name)).mode & 0o777).toString(8);
  return new Map(namesIn(folder).map((name) => [name, modeOf(name)]));
}

function namesIn(folder: string): readonly string[] {
  return ['.', ...readdirSync(folder)];
}

/** The folder itself, and the session journal. */
function isFolder(name: string): boolean {
  return name === '.' || name === 'sessions';
}
