import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSubscriptionHub } from '../testing/subscription-hub.ts';
import { resolveSecret } from './input.ts';
import { runInside } from './testing.ts';

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-secret-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'secret'), text);
  return join(folder, 'secret');
}

test('a secret is read from a file, so that it is not in the list of processes', () => {
  expect(resolveSecret(`@${file(`${SECRET}\n`)}`)).toBe(SECRET);
  expect(resolveSecret(SECRET)).toBe(SECRET);
  expect(() => resolveSecret('@/nowhere/secret')).toThrow('/nowhere/secret');
});

test("a subscription's secret and key are read from files", async () => {
  const hub = await openSubscriptionHub({ access: 'rules', outgoing: { allow: ['127.0.0.1:9'] } });
  const args = ['--url', hub.url, '--key', `@${file(hub.firstKey as string)}`, '--secret', `@${file(SECRET)}`];
  const { code, out } = await runInside(['subscriptions', 'create', 'a', '--webhook', 'http://127.0.0.1:9/', ...args]);
  expect([code, out]).toEqual([0, expect.stringContaining(SECRET)]);
});
