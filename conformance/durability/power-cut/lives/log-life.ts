import type { Log } from '../../../../packages/server/src/core/ports.ts';
import { openSqliteLog } from '../../../../packages/server/src/storage/sqlite/log/open-sqlite-log.ts';
import type { Life } from './life.ts';

/**
 * Opens the log twice, commits single events and batches, replaces `latest` events, trims, indexes,
 * and has the write-ahead log moved into the database. The acknowledgement is `POSITION N BYTES
 * RETAIN`; N is the published number.
 */
export const logLife: Life = {
  name: 'log',

  async live(folder, acknowledge) {
    let published = 0;
    for (let opening = 0; opening < 2; opening++) {
      const log = await openSqliteLog({ folder });
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
        const lines = outcomes.flatMap((outcome, index) =>
          outcome.kind === 'appended' ? [`${outcome.position} ${first + index} ${bytes} ${retain}`] : [],
        );
        acknowledge(lines.join('\n'));
      };
      for (let turn = 0; turn < 6; turn++) {
        await append(1, 'history', 100);
        await append(12, 'history', 900);
        await append(1, 'latest', 200);
      }
      // This channel has no events, so the trim removes nothing.
      await log.trim([{ channel: 'nobody', countMax: 1 }], 0);
      await log.close();
    }
  },

  async wrongWith(folder, lines) {
    const log = await openSqliteLog({ folder }).catch((error: unknown) => String(error));
    if (typeof log === 'string') return lines.length === 0 ? undefined : `it does not open: ${log}`;
    try {
      return await lostOf(log, lines);
    } finally {
      await log.close();
    }
  },
};

function bodyOf(n: number, bytes: number): string {
  return `"data":"${n} ${'x'.repeat(bytes)}"}`;
}

async function lostOf(log: Log, lines: readonly string[]): Promise<string | undefined> {
  const { head } = log.state;
  const range = { after: 0, through: head, direction: 'forward', limit: 10_000, bytesMax: 1e9 } as const;
  const { records, corruptThrough } = await log.read({ patterns: ['>'], types: undefined, ...range });
  if (corruptThrough > 0) return `it is damaged up to ${corruptThrough}`;
  const found = new Map(records.map(({ position, body }) => [position, Buffer.from(body).toString()]));
  let value: string[] | undefined;
  for (const line of lines) {
    const [position = '', n, bytes, retain] = line.split(' ');
    if (retain === 'latest') value = [position];
    else if (found.get(Number(position)) !== bodyOf(Number(n), Number(bytes))) return `event ${position} is lost`;
  }
  const newest = records.findLast(({ channel }) => channel === 'value')?.position ?? 0;
  if (value !== undefined && newest < Number(value[0])) return `the value of ${value[0]} is lost`;
  return undefined;
}
