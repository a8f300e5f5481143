import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  attempt,
  creationOf,
  deadLetter,
  definition,
  open,
  statusAt,
} from '../../contract/subscriptions/subscription-fixtures.ts';
import { openSubscriptionStore } from './sqlite-subscription-store.ts';

const mounted = mountSmallDisk();

/** A file system of a few megabytes in memory. Undefined where mounting is not permitted. */
function mountSmallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

// Mounting needs root, and not every run of the tests has it.
describe.skipIf(mounted === undefined)('a full disk', () => {
  const disk = mounted as string;
  afterAll(() => {
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  test('refuses durable writes, keeps enqueued changes, reports one error, and continues when there is space', async () => {
    const folder = join(disk, 'data');
    mkdirSync(folder);
    const troubles: unknown[] = [];
    const store = await openSubscriptionStore({ folder, onUnavailable: (error) => troubles.push(error) });
    onTestFinished(() => store.close());
    await store.write([...creationOf('sub_a'), ...creationOf('sub_b'), open('sub_a', 1)]);
    fillUp(disk);
    await expect(writeUntilRefused(store)).rejects.toMatchObject({ code: 'log_full' });
    expect(store.unavailable).toBe('log_full');
    for (let position = 1; position <= 1000; position++) {
      store.enqueue([
        { kind: 'status', subscription: 'sub_a', status: statusAt(position) },
        open('sub_a', position),
        { kind: 'attempt', attempt: attempt('sub_a', position) },
      ]);
      if (position % 100 === 0)
        store.enqueue([
          { kind: 'closed', subscription: 'sub_a', position },
          { kind: 'dead_letter', deadLetter: deadLetter('sub_a', position) },
        ]);
      else if (position > 3) store.enqueue([{ kind: 'closed', subscription: 'sub_a', position }]);
    }
    await expect(store.write(creationOf('sub_refused'))).rejects.toMatchObject({ code: 'log_full' });
    // Nothing more to write, and enqueued changes that are not durable.
    await expect(store.write([])).rejects.toMatchObject({ code: 'log_full' });
    expect(store.isOverloaded).toBe(false);
    // Only the last change of each row waits, not every change.
    expect(store.metrics()['waiting']).toBeLessThan(100);

    rmSync(join(disk, 'filler'));
    await vi.waitFor(() => expect(store.unavailable).toBeUndefined(), { timeout: 10_000, interval: 50 });
    await store.write([]);
    expect(troubles).toHaveLength(1);
    expect(await store.deadLetters('sub_a', { limit: 100 })).toHaveLength(10);
    await store.close();
    const again = await openSubscriptionStore({ folder });
    onTestFinished(() => again.close());
    const stored = again.load().subscriptions;
    expect(stored.map((one) => one.definition.id)).toEqual(['sub_a', 'sub_b']);
    expect(stored[0]?.status.cursor).toBe(1000);
    expect(stored[0]?.open.map(({ position }) => position)).toEqual([1, 2, 3]);
  });

  test('in a new folder: the first subscription is refused, and stored when there is space', async () => {
    const folder = join(disk, 'new');
    mkdirSync(folder);
    const store = await openSubscriptionStore({ folder });
    onTestFinished(() => store.close());
    fillUp(disk);
    await expect(store.write(creationOf('sub_a'))).rejects.toMatchObject({ code: 'log_full' });
    rmSync(join(disk, 'filler'));
    await store.write(creationOf('sub_b'));
    await store.close();
    const again = await openSubscriptionStore({ folder });
    onTestFinished(() => again.close());
    expect(again.load().subscriptions).toMatchObject([{ definition: { id: 'sub_b' } }]);
  });

  test('for very long: beyond the limit the store is reported as overloaded, until it is written', async () => {
    const folder = join(disk, 'long');
    mkdirSync(folder);
    const store = await openSubscriptionStore({ folder });
    onTestFinished(() => store.close());
    await store.write(creationOf('sub_a'));
    fillUp(disk);
    for (let position = 1; position <= 100_001; position++) store.enqueue([open('sub_a', position)]);
    expect(store.isOverloaded).toBe(true);
    rmSync(join(disk, 'filler'));
    execFileSync('mount', ['-o', 'remount,size=96m', disk]);
    await vi.waitFor(() => expect(store.isOverloaded).toBe(false), { timeout: 20_000, interval: 50 });
  });
});

async function writeUntilRefused(store: Awaited<ReturnType<typeof openSubscriptionStore>>): Promise<never> {
  for (let version = 2; ; version++) {
    const description = 'x'.repeat(2000);
    await store.write([{ kind: 'definition', definition: definition('sub_b', { version, description }) }]);
  }
}

function fillUp(disk: string): void {
  const availableKb = Number(
    execFileSync('df', ['--output=avail', '-k', disk], { encoding: 'utf8' }).trim().split('\n').at(-1),
  );
  writeFileSync(join(disk, 'filler'), Buffer.alloc(availableKb * 1024));
}
