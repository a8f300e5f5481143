import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runInside, temporaryFolder } from '../testing.ts';

function configured(keys: object[]): string {
  const file = join(temporaryFolder(), 'polycast.yaml');
  writeFileSync(file, JSON.stringify({ identity: { tokens: [{ keys }] } }));
  return file;
}

test('an invalid key for tokens is reported before the hub starts, and is not repeated', async () => {
  for (const command of [['config', 'check'], ['serve']]) {
    const { code, err } = await runInside([
      ...command,
      '--config',
      configured([{ algorithm: 'HS256', secret: 'hunter2' }]),
    ]);
    expect(code).not.toBe(0);
    expect(err).toContain('identity.tokens.0.keys.0.secret: cannot be used: a secret of 7 bytes is too short');
    expect(err).not.toContain('hunter2');
  }
});

test('a secret is not printed', async () => {
  const secret = 'a secret of thirty-two bytes or more';
  const { code, out } = await runInside(['config', 'print', '--config', configured([{ algorithm: 'HS256', secret }])]);
  expect(code).toBe(0);
  expect(out).toContain('algorithm: HS256');
  expect(out).not.toContain(secret);
});
