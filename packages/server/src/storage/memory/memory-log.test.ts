import { expect, test } from 'vitest';
import type { AppendOutcome, Log } from '../../core/ports.ts';
import { HOUR_MS, record, START_MS } from '../contract/log/log-fixtures.ts';
import { createMemoryLog } from './memory-log.ts';

/** Keys of 55 characters. Each takes 320 bytes. */
const KEY = 'k'.repeat(50);

async function publish(log: Log, number: number, atMs = START_MS): Promise<AppendOutcome['kind']> {
  const key = { idempotencyKey: `${KEY}-${String(number).padStart(4, '0')}`, fingerprint: 'f'.repeat(10) };
  const [outcome] = await log.append([record(`a.${number}`, { ...key, timeMs: atMs })]);
  return (outcome as AppendOutcome).kind;
}

test('idempotency keys are bounded in bytes: a new one is refused, stored ones stay valid until they expire', async () => {
  const log = createMemoryLog({ keysBytesMax: 3200 });
  for (let number = 0; number < 10; number++) expect(await publish(log, number)).toBe('appended');
  expect([await publish(log, 10), await publish(log, 0), await publish(log, 9)]).toEqual([
    'key_limit',
    'duplicate',
    'duplicate',
  ]);
  // A refused record adds neither an event nor a channel. The bound applies only to records with a
  // key.
  expect(log.stats()).toMatchObject({ records: 10, channels: 10, keys: 10 });
  expect(log.memoryUsage).toEqual({ idempotency_keys: { bytes: 3200, bytesMax: 3200, refused: 1 } });
  expect(await log.append([record('b')])).toMatchObject([{ kind: 'appended' }]);
  const laterMs = START_MS + 24 * HOUR_MS;
  // An expired key is used again and replaces the old one.
  expect(await publish(log, 3, laterMs)).toBe('appended');
  await log.trim([], laterMs);
  expect(log.stats()).toMatchObject({ keys: 1 });
  expect(log.memoryUsage?.['idempotency_keys']?.bytes).toBe(320);
  expect(await publish(log, 10, laterMs)).toBe('appended');
});
