import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { openSubscriptionStore } from './sqlite-subscription-store.ts';

const KILLS = 12;
const SUBSCRIPTIONS = 20;
const IDS = Array.from({ length: SUBSCRIPTIONS }, (_, index) => `sub_${String(index).padStart(2, '0')}`);

/**
 * Enqueues steps of each subscription that can be checked from the remaining file. At cursor n the
 * last three events are open, and every tenth is a dead letter. From time to time it awaits a
 * durable step, and prints the cursor of that step.
 */
const ENGINE = `
const { openSubscriptionStore } = await import(process.argv[1]);
const store = await openSubscriptionStore({ folder: process.argv[2] });
const ids = JSON.parse(process.argv[3]);
const cursors = new Map(store.load().subscriptions.map(({ definition, status }) => [definition.id, status.cursor]));
const statusAt = (cursor) => ({ state: 'active', reason: 'created', sinceMs: 1, cursor, failingSinceMs: undefined, restUntilMs: undefined, lost: undefined });
const step = (subscription) => {
  const position = (cursors.get(subscription) ?? 0) + 1;
  cursors.set(subscription, position);
  const changes = [
    { kind: 'status', subscription, status: statusAt(position) },
    { kind: 'open', subscription, event: { position, channel: 'a', attempts: 1, dueMs: 1, lease: undefined, heldAfter: undefined } },
  ];
  if (position > 3) changes.push({ kind: 'closed', subscription, position: position - 3 });
  if (position % 10 === 0) changes.push({ kind: 'dead_letter', deadLetter: { subscription, epoch: '00tmf894vq', position, channel: 'a', attempts: 1, sinceMs: 1, outcome: 'timeout', detail: '' } });
  return changes;
};
for (const id of ids) if (!cursors.has(id)) await store.write([{ kind: 'definition', definition: { id, version: 1 } }, { kind: 'status', subscription: id, status: statusAt(0) }]);
const run = async (id) => {
  for (let turn = 0; ; turn++) {
    for (let times = 0; times < turn % 7; times++) store.enqueue(step(id));
    if (turn % 5 !== 0) { await new Promise((go) => setImmediate(go)); continue; }
    const changes = step(id);
    const cursor = cursors.get(id);
    await store.write(changes);
    process.stdout.write(JSON.stringify({ id, cursor }) + '\\n');
  }
};
for (const id of ids) void run(id);
`;

test('written changes survive kill -9, and changes that were enqueued together are never partly stored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-kill-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const acknowledged = new Map<string, number>();
  for (let run = 0; run < KILLS; run++) {
    await runUntilKilled(folder, 1 + run * run * 20, acknowledged);
    const store = await openSubscriptionStore({ folder });
    for (const { definition, status, open, deadLetters } of store.load().subscriptions) {
      const { cursor } = status;
      expect(cursor).toBeGreaterThanOrEqual(acknowledged.get(definition.id) ?? 0);
      expect(open.map(({ position }) => position)).toEqual(
        [cursor - 2, cursor - 1, cursor].filter((position) => position > 0),
      );
      expect(deadLetters).toBe(Math.floor(cursor / 10));
      const letters = await store.deadLetters(definition.id, { limit: 1_000_000 });
      expect(letters.map(({ position }) => position)).toEqual(
        Array.from({ length: deadLetters }, (_, index) => 10 * (index + 1)),
      );
    }
    await store.close();
  }
  expect(acknowledged.size).toBe(SUBSCRIPTIONS);
});

async function runUntilKilled(folder: string, answers: number, acknowledged: Map<string, number>): Promise<void> {
  const module = new URL('sqlite-subscription-store.ts', import.meta.url).href;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', ENGINE, module, folder, JSON.stringify(IDS)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let count = 0;
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    // The last line may be cut short by the kill.
    if (!line.endsWith('}')) return;
    const { id, cursor } = JSON.parse(line) as { id: string; cursor: number };
    acknowledged.set(id, Math.max(cursor, acknowledged.get(id) ?? 0));
    if (++count === answers) child.kill('SIGKILL');
  });
  await Promise.all([once(lines, 'close'), once(child, 'exit')]);
}
