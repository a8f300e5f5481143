import { pino } from 'pino';
import { expect, test } from 'vitest';
import { defaultConfig, parseConfig } from '../config/parse.ts';
import { Reloader } from './reloader.ts';

test('a part that fails unexpectedly is reported; the next reload is performed', async () => {
  const reloader = new Reloader(defaultConfig(), pino({ level: 'silent' }));
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
    problems: [{ message: expect.stringContaining('a fault') as unknown }],
  });
  expect(await reloader.reload(services, { kind: 'operator' })).toMatchObject({ ok: true, applied: ['logging.level'] });
});
