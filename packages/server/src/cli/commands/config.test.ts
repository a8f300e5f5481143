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

test('check names the problems of all files at once', async () => {
  const file = join(temporaryFolder(), 'polycast.yaml');
  const tokens = [{ keys: [{ algorithm: 'HS256', secretFile: '/nowhere/secret' }] }];
  const tls = { certificateFile: '/nowhere/certificate.pem', keyFile: '/nowhere/key.pem' };
  writeFileSync(file, JSON.stringify({ tls, identity: { tokens } }));
  const { code, err } = await runInside(['config', 'check', '--config', file]);
  expect(code).toBe(78);
  for (const path of ['tls.certificateFile', 'tls.keyFile', 'identity.tokens.0.keys.0.secretFile'])
    expect(err).toContain(`${path}: cannot be read`);
  const folder = await runInside(['config', 'check', '--data', file]);
  expect(folder).toMatchObject({ code: 78, err: expect.stringContaining('is a file, and must be a folder') });
});

test('check names the problems of all stages at once, with an unknown field and an empty one', async () => {
  const file = join(temporaryFolder(), 'polycast.yaml');
  const text = (rule: string): string =>
    `${rule}identity: {tokens: [{keys: [{algorithm: HS256, secret: short}]}]}\nlocalPages: files\n`;
  const check = async (content: string): Promise<string> => {
    writeFileSync(file, content);
    const { code, err } = await runInside(['config', 'check', '--config', file]);
    expect(code).toBe(78);
    return err;
  };
  const unknown = await check(text('port: 7450\nlisten: 0.0.0.0:7450\n'));
  expect(unknown).toContain('port: is not a known field; did you mean `listen: 127.0.0.1:7450`?');
  expect(unknown).toContain('localPages: must be none');
  expect(unknown).toContain('identity.tokens.0.keys.0.secret: cannot be used');
  expect(unknown).not.toContain('more checks follow');
  const empty = await check(text('rules: [{pattern: "a", publish: }]\n'));
  expect(empty).toContain('rules.0.publish: ');
  expect(empty).toContain('identity.tokens.0.keys.0.secret: cannot be used');
  expect(empty).toContain('more checks follow');
});

test('check warns of a rule that never applies, and the configuration is valid', async () => {
  const file = join(temporaryFolder(), 'polycast.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      rules: [
        { pattern: '>', retain: 'none' },
        { pattern: 'a', retain: 'latest' },
      ],
    }),
  );
  const { code, out, err } = await runInside(['config', 'check', '--config', file]);
  expect(code).toBe(0);
  expect(err).toMatch(/^warning: rules\.1: "a" never applies: rules\.0 \(">"\)/);
  expect(out).toContain('valid');
});

test('the values of the headers of telemetry are not printed', async () => {
  const headers = ['--set', 'telemetry.headers={"authorization":"Api-Token hunter2"}'];
  const { code, out } = await runInside(['config', 'print', ...headers]);
  expect(code).toBe(0);
  expect(out).toContain('authorization: (not shown)');
  expect(out).not.toContain('hunter2');
});
