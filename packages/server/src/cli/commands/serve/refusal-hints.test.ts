import { expect, test } from 'vitest';
import type { Refusal } from '../../../auth/refusal-log.ts';
import { createRefusalHints } from './refusal-hints.ts';

const REFUSAL: Refusal = {
  code: 'forbidden',
  status: 403,
  route: 'GET /v1/events',
  detail: 'Subscribing to orders.7 is not allowed.',
  kind: 'user',
  user: 'ann',
  key: undefined,
  address: '127.0.0.1',
  origin: undefined,
  host: 'localhost:7400',
  action: 'subscribe',
  channel: 'orders.7',
  rule: 'rule 1 (orders.>)',
  needs: 'a server with a key',
};

function createHints(): {
  readonly lines: string[];
  readonly report: (refusal: Refusal) => void;
  pass(ms: number): void;
} {
  const lines: string[] = [];
  let nowMs = 0;
  const terminal = {
    notice: (line: string) => void lines.push(line),
    noticeStyle: (_style: unknown, text: string) => text,
  };
  const report = createRefusalHints(terminal, () => nowMs);
  return { lines, report, pass: (ms) => void (nowMs += ms) };
}

test.each([
  [
    {},
    'by user ann: subscribe orders.7, by rule 1 (orders.>)',
    'rules: [{ pattern: "orders.7", subscribe: [anyone] }]',
  ],
  [{ action: 'admin', channel: undefined }, 'admin', 'a key with the scope admin'],
  [
    { code: 'origin_not_allowed', action: undefined, origin: 'https://shop.example' },
    'from https://shop.example',
    'allowedOrigins: ["https://shop.example"]',
  ],
  [{ code: 'host_not_allowed', action: undefined, host: 'hub.lan:8080' }, '', 'publicUrl: http://hub.lan:8080'],
  [{ code: 'unauthorized', action: undefined }, '', 'identity.tokens'],
] as const)('%j is printed with the setting that would allow it', (part, what, setting) => {
  const { lines, report } = createHints();
  report({ ...REFUSAL, ...part } as Refusal);
  expect(lines).toEqual([expect.stringContaining(what), expect.stringContaining(setting)]);
});

test('a refusal that no setting allows prints no hint', () => {
  const { lines, report } = createHints();
  report({ ...REFUSAL, code: 'invalid_json', status: 400, action: undefined });
  expect(lines).toEqual([]);
});

test('of many refusals a few are printed, and the number of the others', () => {
  const { lines, report, pass } = createHints();
  for (let count = 0; count < 100; count++) report(REFUSAL);
  expect(lines).toHaveLength(10);
  pass(1000);
  report(REFUSAL);
  expect(lines).toHaveLength(12);
  expect(lines[10]).toContain('(and 95 more)');
});
