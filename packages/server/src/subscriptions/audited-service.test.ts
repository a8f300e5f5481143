import { PolycastError } from '@polycast/protocol';
import { expect, test } from 'vitest';
import type { AuditRecord } from '../core/audit.ts';
import { newPullSubscription } from '../testing/pull-queue.ts';
import { openSubscriptionKit } from '../testing/subscription-kit.ts';
import { auditedServices, rateLimitedAudit } from './audited-service.ts';

test('each operation has an audit entry with its actor, and reads have none', async () => {
  const { engine } = await openSubscriptionKit();
  const entries: AuditRecord[] = [];
  const clock = { nowMs: () => 0, monotonicMs: () => 0 };
  const { subscriptions } = auditedServices(
    engine.subscriptions,
    { record: (entry) => void entries.push(entry) },
    clock,
  );
  const by = { kind: 'operator', user: 'ann' } as const;
  const { subscription } = await subscriptions.create(newPullSubscription(), by);
  const { id } = subscription.definition;
  await subscriptions.pause(id, by);
  await subscriptions.resume(id, by);
  await subscriptions.change(id, { description: 'Jobs' }, 1, by);
  await subscriptions.retryDeadLetters(id, undefined, by);
  await subscriptions.discardDeadLetters(id, undefined, by);
  expect(subscriptions.get(id)?.definition.description).toBe('Jobs');
  await expect(subscriptions.pause('sub_other', by)).rejects.toMatchObject({ code: 'not_found' });
  await subscriptions.remove(id, by);
  expect(entries.map(({ action }) => action.replace('subscription.', ''))).toEqual([
    'created',
    'paused',
    'resumed',
    'changed',
    'dead-letters-retried',
    'dead-letters-discarded',
    'removed',
  ]);
  for (const entry of entries) expect(entry).toMatchObject({ subject: id, by });
});

test('a change that is in force has an entry although the disk refuses it; one without an effect has none', async () => {
  const kit = await openSubscriptionKit();
  const entries: AuditRecord[] = [];
  const audit = { record: (entry: AuditRecord) => void entries.push(entry) };
  const { subscriptions } = auditedServices(kit.engine.subscriptions, audit, { nowMs: () => 0, monotonicMs: () => 0 });
  const by = { kind: 'operator', user: 'ann' } as const;
  const { subscription } = await subscriptions.create(newPullSubscription(), by);
  const { id } = subscription.definition;
  Object.assign(kit.store, { write: () => Promise.reject(new PolycastError('log_full')) });
  const refused = { code: 'log_full', message: expect.stringContaining('in force') as string };
  await expect(subscriptions.change(id, { description: 'Jobs' }, 1, by)).rejects.toMatchObject(refused);
  await expect(subscriptions.change(id, { description: 'Work' }, 1, by)).rejects.toMatchObject({
    code: 'precondition_failed',
  });
  await expect(subscriptions.pause(id, by)).rejects.toMatchObject(refused);
  await expect(subscriptions.remove(id, by)).rejects.toMatchObject(refused);
  await expect(subscriptions.create(newPullSubscription(), by)).rejects.toMatchObject({ code: 'log_full' });
  expect(entries.map(({ action, detail }) => [action, detail?.['version']])).toEqual([
    ['subscription.created', undefined],
    ['subscription.changed', 2],
    ['subscription.paused', undefined],
    ['subscription.removed', undefined],
  ]);
});

test('repeated actions are recorded at a bounded rate, with the number of those left out', () => {
  const notes: AuditRecord[] = [];
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const audit = rateLimitedAudit({ record: (note) => void notes.push(note) }, clock);
  const note: AuditRecord = { action: 'subscription.created', subject: 'sub', by: { kind: 'anonymous' } };
  for (let count = 0; count < 1000; count++) audit.record(note);
  expect(notes).toHaveLength(30);
  nowMs += 60_000;
  audit.record({ ...note, detail: { channels: ['a'] } });
  expect(notes).toHaveLength(31);
  expect(notes.at(-1)?.detail).toEqual({ channels: ['a'], omitted: 970 });
});
