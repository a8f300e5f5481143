import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACKS_FILE, bodyOf, openLog } from './check.ts';

/**
 * A small life of a log: two openings, commits of one event and of many, values that are replaced, retention, indexing, and a write-ahead
 * log that is moved into the database. What is acknowledged is written to a file at once: `POSITION N`, N being what was published.
 */
const folder = process.argv[2] as string;
let published = 0;

for (let opening = 0; opening < 2; opening++) {
  const log = await openLog(folder);
  const append = async (count: number, retain: 'history' | 'latest', bytes: number): Promise<void> => {
    const first = published;
    published += count;
    const records = Array.from({ length: count }, (_, index) => ({
      channel: retain === 'latest' ? 'value' : `c.${(first + index) % 3}`,
      type: undefined,
      timeMs: 1e12 + first + index,
      body: Buffer.from(bodyOf(first + index, bytes)),
      retain,
      idempotencyKey: retain === 'latest' ? undefined : `key ${first + index}`,
      fingerprint: 'f',
      ifLatest: undefined,
    }));
    const outcomes = await log.append(records);
    const lines = outcomes.map((outcome, index) =>
      outcome.kind === 'appended' ? `${outcome.position} ${first + index} ${bytes} ${retain}\n` : '',
    );
    appendFileSync(join(folder, ACKS_FILE), lines.join(''));
  };
  for (let turn = 0; turn < 6; turn++) {
    await append(1, 'history', 100);
    await append(12, 'history', 900);
    await append(1, 'latest', 200);
  }
  // Nothing that is acknowledged and asked for again later.
  await log.trim([{ channel: 'nobody', countMax: 1 }], 0);
  await log.close();
}
