import { pino } from 'pino';
import { expect, test } from 'vitest';
import { defaultConfig, parseConfig } from '../config/parse.ts';
import { Reloader } from './reloader.ts';

test('a part that fails unexpectedly is reported, with the reason in the log; the next reload is performed', async () => {
  const lines: string[] = [];
  const serializers = { error: pino.stdSerializers.err };
  const logger = pino({ level: 'error', serializers }, { write: (line) => void lines.push(line) });
  const reloader = new Reloader(defaultConfig(), logger);
  let turns = 0;
  reloader.add(() => () => {
    if (++turns === 1) throw new Error('a fault');
  });
  const services = {
    loadConfig: () => Promise.resolve(parseConfig({ logging: { level: 'warn' } })),
    audit: { record: () => undefined },
    checkSessions: () => Promise.resolve(0),
  };
  expect(await reloader.reload(services, { kind: 'operator' })).toMatchObject({
    ok: false,
    problems: [{ message: 'The reload failed. The log of the hub has the reason.' }],
  });
  expect(lines).toEqual([expect.stringContaining('a fault')]);
  expect(await reloader.reload(services, { kind: 'operator' })).toMatchObject({ ok: true, applied: ['logging.level'] });
});
